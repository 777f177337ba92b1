const FORMAT = new Intl.RelativeTimeFormat('en', { numeric: 'auto' });
const UNITS = [
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
] as const;

/** How long ago something was. */
export function Time({ of }: { of: string }) {
  const seconds = (Date.parse(of) - Date.now()) / 1_000;
  const [unit, length] = UNITS.find(([, length]) => -seconds >= length) ?? [];
  return (
    <time dateTime={of} title={new Date(of).toLocaleString()}>
      {unit ? FORMAT.format(Math.round(seconds / length!), unit) : 'just now'}
    </time>
  );
}
