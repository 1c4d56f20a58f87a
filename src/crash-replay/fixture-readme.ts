/** The README of a recorded fixture: its story in five lines. */
import type { ExpectedAdoption } from './fixture-files.ts';
import type { Decision } from './replay/decide-recovery.ts';

export interface Story {
  readonly name: string;
  readonly story: string;
  readonly recover: 'start' | 'promote';
  readonly recipe: string;
  readonly decision: Decision;
  readonly withRegion: ExpectedAdoption | null;
  readonly writes: number;
  readonly writesThrough: number;
}

export function readmeOf({ name, story, recover, recipe, decision, withRegion, writes, writesThrough }: Story): string {
  const { watermarkBefore, outcome, error, journals } = decision;
  const through = (withRegion ?? decision).through;
  const active = journals.filter(({ dataSet, action }) => dataSet !== null && action !== 'done already');
  const decided = active
    .map(({ dataSet, action, label }) => `data set ${dataSet}: ${label === action ? action : `${action} (${label})`}`)
    .join('; ');
  const verb = recover === 'start' ? 'A start' : 'A promotion';
  const lines = [
    `# ${name}`,
    '',
    `1. ${story}`,
    `2. ${writes} writes were issued; the watermark says ${watermarkBefore === null ? 'that nothing is destaged' : `data set ${watermarkBefore}`}.`,
    `3. ${verb} decides: ${decided === '' ? 'nothing is above the watermark' : decided}.${regionWords(withRegion)}`,
    outcome === 'refuse'
      ? `4. It refuses with ${error?.code ?? 'an error'} and changes nothing.`
      : `4. The copy is then at ${through === null ? 'no data set' : `data set ${through}`}: the first ${writesThrough} writes, and no other.`,
    `5. Made by: \`${recipe}\``,
  ];
  return `${lines.join('\n')}\n`;
}

function regionWords(adoption: ExpectedAdoption | null): string {
  if (adoption === null) return '';
  return ` The peer's region holds ${adoption.records} records, and adds ${adoption.added ?? 0} of them.`;
}
