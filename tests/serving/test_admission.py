from __future__ import annotations

import pytest

from cloister.serving.admission import Admission, Busy
from cloister.serving.values import Limits


def test_room_is_given_back_even_after_a_failure() -> None:
    admission = Admission(Limits(in_flight=1), lambda: 0.0)
    for _ in range(3):
        with pytest.raises(KeyError), admission.entered():
            raise KeyError
    with admission.entered(), pytest.raises(Busy), admission.entered():
        pass


def test_bytes_are_counted_over_all_predictions() -> None:
    admission = Admission(Limits(in_flight_bytes=10), lambda: 0.0)
    with admission.entered() as one, admission.entered() as two:
        one.grow(6)
        two.grow(4)
        with pytest.raises(Busy):
            two.grow(1)
    with admission.entered() as again:
        again.grow(10)


def test_the_rate_recovers_with_time_up_to_one_second_of_it() -> None:
    now = [0.0]
    admission = Admission(Limits(per_second=2), lambda: now[0])

    def admitted() -> int:
        count = 0
        try:
            while True:
                with admission.entered():
                    count += 1
        except Busy:
            return count

    assert admitted() == 2
    now[0] = 0.5
    assert admitted() == 1
    now[0] = 100.0
    assert admitted() == 2
