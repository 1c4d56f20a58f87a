/** The production recovery and replica on a disk in memory, without links, until everything complete is destaged; and judges of what is there then. */
import type { FarshoreError } from '../../src/model/errors.ts';
import { awaitDone } from '../../src/disk/await-done.ts';
import { inlineCarrier } from '../../src/secondary/destager.ts';
import { recover, type Recovered } from '../../src/secondary/recover.ts';
import { Replica } from '../../src/secondary/replica.ts';
import { readHostState } from '../../src/state/host-state.ts';
import { openVolumes } from '../../src/volume/open-volumes.ts';
import { JOURNALS_DIRECTORY, smallGeometry, STATE_DIRECTORY, VOLUMES } from '../support/secondary-host.ts';
import type { FuzzDisk } from './disk.ts';
import { model, SLOTS } from './journal-inputs.ts';
import { must } from './target.ts';

const TURNS_MAX = 10_000;

/** Codes with which a start may refuse; each message names the file. */
export const REFUSALS = /^ERR_(RECOVERY_[A-Z_]+|WATERMARK_[A-Z]+|JOURNAL_[A-Z]+|JOURNALS_NOT_BLANK|STATE_[A-Z]+|NOT_INITIALISED)$/;

export interface Rest {
  /** The data set at which the volumes are, -1: none. */
  readonly destaged: number;
  readonly kept: readonly string[];
}

/** Recover and destage everything that is complete; `judge` looks before that. @throws what recovery refuses with */
export async function recoverToRest(
  disk: FuzzDisk,
  mode: 'start' | 'promote',
  judge: (recovered: Recovered) => void = () => {},
): Promise<Rest> {
  let replica: Replica | null = null;
  const failures: string[] = [];
  const state = readHostState(disk, STATE_DIRECTORY);
  const events = Replica.journalEvents(() => replica);
  const recovered = await recover({ disk, directory: JOURNALS_DIRECTORY, geometry: smallGeometry(SLOTS), state, mode, events });
  const { ring, machine, plan, watermark } = recovered;
  try {
    must(machine !== null, 'a bound host has a machine');
    judge(recovered);
    replica = new Replica({
      machine,
      ring,
      openCarrier: inlineCarrier(() => openVolumes(disk, VOLUMES, { lock: false }), ring.buffers),
      watermarkPoint: watermark?.point ?? null,
      restored: plan?.restored ?? [],
      events: { failed: (code, message) => void failures.push(`${code}: ${message}`), mended: () => {}, moved: () => {} },
    });
    replica.resume();
    for (let turns = 0; !replica.isSettled && failures.length === 0; turns += 1) {
      must(turns < TURNS_MAX, 'a recovered host comes to rest');
      await new Promise((resolve) => setImmediate(resolve));
    }
    must(failures.length === 0, () => `recovery accepted what the machine refuses: ${failures[0]}`);
    await replica.close();
    return { destaged: replica.watermarkPoint?.dataSet ?? -1, kept: plan?.journals.map(({ label }) => label) ?? [] };
  } finally {
    await awaitDone((done) => ring.close(done));
  }
}

/** What the primary will be told is held stands in the memory buffers as it was written. */
export function judgeHeld({ machine, ring }: Recovered): void {
  for (const { dataSet, firstSequence, durable } of machine?.held() ?? []) {
    const buffer = ring.buffers[dataSet % SLOTS];
    must(buffer !== undefined, `data set ${dataSet} has a slot`);
    const image = Buffer.from(buffer.shared, buffer.start, buffer.slotBytes);
    const offsets = new Uint32Array(buffer.offsets);
    for (let index = 0; index < durable.length * 8; index += 1) {
      if (((durable[index >> 3] ?? 0) & (1 << (index & 7))) === 0) continue;
      const written = model.dataSets[dataSet]?.records.find(({ sequence }) => sequence === firstSequence + index);
      must(written !== undefined, `number ${firstSequence + index} of data set ${dataSet} is held, and was never written`);
      const offset = offsets[index] ?? 0;
      must(
        image.subarray(offset, offset + written.bytes.length).equals(written.bytes),
        `number ${written.sequence} is held with other bytes`,
      );
    }
  }
}

/** The volumes are the history's at one data set, all at the same. */
export function judgeVolumes(disk: FuzzDisk, dataSet: number): void {
  const images = model.imagesAt(dataSet);
  for (const [index, { path, name }] of VOLUMES.entries()) {
    const found = disk.readFile(path) ?? new Uint8Array(0);
    if (Buffer.compare(found, images[index] ?? new Uint8Array(0)) === 0) continue;
    const other = model.dataSets.findLast((set) => Buffer.compare(found, set.images[index] ?? new Uint8Array(0)) === 0);
    must(
      false,
      `volume ${name} is not the history's at data set ${dataSet}, but ${other === undefined ? 'a mixture' : `at ${other.dataSet}`}`,
    );
  }
}

/** A refusal has a code of docs/errors.md and names a file or folder of this host. */
export function judgeRefusal(error: FarshoreError): void {
  must(REFUSALS.test(error.code), `a refusal with ${error.code}: ${error.message}`);
  must(
    error.message.includes(`${JOURNALS_DIRECTORY}/`) ||
      error.message.includes(`${STATE_DIRECTORY}/`) ||
      error.message.includes(JOURNALS_DIRECTORY),
    `a refusal that names no file: ${error.message}`,
  );
}
