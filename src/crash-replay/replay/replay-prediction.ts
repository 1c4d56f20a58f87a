/** What `farshore journal ls` predicts for a fixture, on the files alone, held against what production code decides. */
import { inspectRing } from '../../inspection/ring/inspect-ring.ts';
import { locateRing } from '../../inspection/ring/locate-ring.ts';
import type { RingReport } from '../../inspection/ring/ring-report.ts';
import type { Disk } from '../../disk/disk.ts';
import { hostStatePath } from '../../state/host-state.ts';
import type { ExpectedJournal } from '../fixture-files.ts';
import type { HostFolder } from '../fixture-folder.ts';
import { differ, type Difference, type FoundDecision } from './replay-differences.ts';

export interface PredictionQuestion {
  readonly disk: Disk;
  readonly host: HostFolder;
  readonly recover: 'start' | 'promote';
  readonly found: FoundDecision;
}

/** Differences between prediction and decision. An inspection predicts a start; of a promotion it can only say where the copy is then. */
export async function predictedOtherwise(question: PredictionQuestion): Promise<Difference[]> {
  const { disk, host, recover, found } = question;
  // Without a state nobody says what a start would do.
  if (!disk.exists(hostStatePath(host.stateDirectory))) return [];
  const report = await inspectRing({
    disk,
    located: locateRing({ disk, path: host.journals.directory, stateDirectory: host.stateDirectory }),
  });
  const decided = new Map(found.journals.map((journal) => [journal.slot, describe(journal)]));
  const predicted = new Map(decisionsIn(report).map((journal) => [journal.slot, describe(journal)]));
  const slots = recover === 'start' ? [...new Set([...decided.keys(), ...predicted.keys()])].sort((a, b) => a - b) : [];
  return [
    ...differ('error that journal ls predicts', found.error?.code ?? null, report.refusal?.code ?? null),
    ...differ('data set that journal ls predicts', found.through, throughIn(report)),
    ...slots.flatMap((slot) => differ(`what journal ls predicts for slot ${slot}`, decided.get(slot) ?? null, predicted.get(slot) ?? null)),
  ];
}

/** A promoted host has no plan: its state says where the copy is. */
function throughIn({ state, through }: RingReport): number | null {
  const point = state?.condition === 'promoted' ? state.state.divergedFrom : through;
  return point?.dataSet ?? null;
}

function decisionsIn({ slots }: RingReport): ExpectedJournal[] {
  return slots.flatMap(({ decision }) => (decision === null ? [] : [decision]));
}

function describe({ dataSet, label, action }: ExpectedJournal): string {
  return `data set ${dataSet ?? '-'}: ${label} (${action})`;
}
