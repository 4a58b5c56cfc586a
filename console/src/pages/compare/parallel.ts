/** Values of one parameter or metric over all runs, laid out on an axis from 0 to 1. */
export interface Dimension {
  name: string;
  values: readonly (string | number | undefined)[];
}

export interface Axis {
  /** Where each run's value lies; null for a run that has none. */
  parts: (number | null)[];
  ticks: { text: string; part: number }[];
}

const MOST_WORDS = 6;

export function placed(of: Dimension): Axis {
  const numbers = of.values.map((one) =>
    one === undefined || one === "" ? Number.NaN : Number(one),
  );
  const all = of.values.every((one, at) => one === undefined || Number.isFinite(numbers[at]));
  return all ? byNumber(numbers) : byWord(of.values);
}

function byNumber(numbers: readonly number[]): Axis {
  const there = numbers.filter(Number.isFinite);
  const [least, most] = [Math.min(...there), Math.max(...there)];
  // Rates go over powers of ten: evenly spaced there.
  const logarithmic = least > 0 && most / least >= 100;
  const scale = (one: number) => (logarithmic ? Math.log(one) : one);
  const span = scale(most) - scale(least) || 1;
  const part = (one: number) => (scale(one) - scale(least)) / span;
  return {
    parts: numbers.map((one) => (Number.isFinite(one) ? part(one) : null)),
    ticks: [...new Set([least, most])].map((one) => ({ text: String(one), part: part(one) })),
  };
}

function byWord(values: readonly (string | number | undefined)[]): Axis {
  const words = [...new Set(values.filter((one) => one !== undefined).map(String))].sort();
  const part = (word: string) =>
    words.length > 1 ? words.indexOf(word) / (words.length - 1) : 0.5;
  const every = Math.ceil(words.length / MOST_WORDS);
  return {
    parts: values.map((one) => (one === undefined ? null : part(String(one)))),
    ticks: words
      .filter((_, at) => at % every === 0)
      .map((word) => ({ text: word, part: part(word) })),
  };
}
