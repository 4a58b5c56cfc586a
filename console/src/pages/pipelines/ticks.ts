const STEPS_S = [
  0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600,
  7200, 10_800, 21_600, 43_200, 86_400,
];
const FEW = 6;

/** Round times, in milliseconds, along something that lasts so long; six at most, and 0. */
export function ticks(length_ms: number): number[] {
  const days = Math.ceil(length_ms / 1000 / 86_400 / FEW) * 86_400;
  const step_s = STEPS_S.find((one) => length_ms / 1000 / one <= FEW) ?? days;
  const found: number[] = [];
  for (let at = 0; at * step_s * 1000 < length_ms * 0.97; at += 1) {
    found.push(Math.round(at * step_s * 1000));
  }
  return found;
}
