const dayMs = 86_400_000;
const twoDigits = Array.from({ length: 60 }, (_, i) => i.toString().padStart(2, '0'));
const threeDigits = Array.from({ length: 1_000 }, (_, i) => i.toString().padStart(3, '0'));
const fourDigitYears = { fromMs: Date.UTC(1970), toMs: Date.UTC(10_000, 0, 1) };

let lastDay = Number.NaN;
let lastDayText = '';

/** As `Date.toISOString`, whose work on the date is done once for all times of a day; a graph has hundreds of thousands. */
export function isoText(ms: number): string {
  if (!(ms >= fourDigitYears.fromMs && ms < fourDigitYears.toMs)) return new Date(ms).toISOString();
  const whole = Math.trunc(ms);
  const day = Math.floor(whole / dayMs);
  if (day !== lastDay) {
    lastDay = day;
    lastDayText = new Date(day * dayMs).toISOString().slice(0, 11);
  }
  const rest = whole - day * dayMs;
  const seconds = Math.floor(rest / 1_000);
  const minutes = Math.floor(seconds / 60);
  return `${lastDayText}${twoDigits[Math.floor(minutes / 60)]}:${twoDigits[minutes % 60]}:${twoDigits[seconds % 60]}.${threeDigits[rest - seconds * 1_000]}Z`;
}
