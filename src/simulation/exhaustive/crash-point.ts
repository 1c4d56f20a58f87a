/**
 * One moment of one life, and every disk that a crash may leave there. A sector that a power cut may lose stands on the disk as it was
 * durable or as one of the writes that were not durable left it, independently of all others: the legal disks are the product over the sectors
 * of their distinct values, times the prefixes of the names that are not durable. No two of them are alike.
 */
import { assert } from '../../model/assert.ts';
import { applyEntries, SimulatedDisk, type Content, type DiskOptions } from '../disk.ts';
import type { Image } from '../image.ts';
import { Inode, type Change, type Flight } from '../inode.ts';
import type { Memory } from '../memory.ts';
import { countChoices, visitChoices, type ChoiceBounds } from './crash-choices.ts';
import { visitFates, KILL_FATES } from './kill-fates.ts';
import { add, hashImage, hashNumber, hashSector, keyOf, SECTOR_BYTES, type Lanes } from './sector-hash.ts';

/** A sector that a power cut may lose. */
interface Sector {
  readonly file: FileAtCrash;
  readonly position: number;
  /** The first is the durable one; null bytes: leave it as it is. */
  readonly values: { readonly bytes: Uint8Array | null; readonly lanes: Lanes }[];
  /** The write that left each value; -1: none. */
  readonly writes: number[];
}

interface FileAtCrash {
  readonly path: string;
  readonly number: number;
  readonly inode: Inode;
  readonly durable: Image;
  /** Hash of what is durable. */
  readonly lanes: Lanes;
  readonly pending: readonly Change[];
  readonly flights: readonly Flight[];
}

/** What a power cut leaves. */
export interface PowerCut {
  readonly lanes: Lanes;
  /** For each sector which of its values. Used again for the next one. */
  readonly choice: readonly number[];
  /** How many of the names that are not durable are kept. */
  readonly names: number;
}

const NAME_KIND = 7;
const BLANK = new Uint8Array(SECTOR_BYTES);
const before = new Uint8Array(SECTOR_BYTES);

export class CrashPoint {
  /** What the life did just then. */
  readonly label: string;
  /** Hash of everything that decides what a crash can leave here. */
  readonly lanes: Lanes;
  readonly #base: Lanes = { low: 0, high: 0 };
  readonly #sectors: Sector[] = [];
  readonly #files: FileAtCrash[] = [];
  readonly #content: Content;
  readonly #options: DiskOptions;

  constructor(disk: SimulatedDisk, label: string) {
    this.label = label;
    this.#options = disk.options;
    const { entries, durableEntries, pendingEntries, directories, powerCuts = 0 } = disk.content;
    const content = {
      powerCuts,
      durableEntries: new Map(durableEntries),
      entries: new Map(entries),
      pendingEntries: [...pendingEntries],
      directories,
    };
    this.#content = content;
    const known = new Set<Inode>();
    for (const [path, inode] of [...durableEntries, ...entries]) {
      if (known.has(inode)) continue;
      known.add(inode);
      this.#take(path, inode);
    }
    const moment = { ...this.#base };
    for (const { values, writes } of this.#sectors)
      for (const [index, { lanes }] of values.entries()) if (index > 0) add(moment, hashNumber(writes[index] as number, lanes.low));
    for (const { number, flights } of this.#files) if (flights.length > 0) add(moment, hashNumber(number, flights.length));
    add(moment, hashNumber(NAME_KIND, pendingEntries.length));
    this.lanes = moment;
  }

  /** How many legal disks a power cut here may leave. */
  get legalDisks(): number {
    return countChoices(this.#sectors) * (this.#content.pendingEntries.length + 1);
  }

  /** Key of what a file has durably. */
  durableKey(path: string): number {
    return keyOf(this.#files.find((file) => file.path === path)?.lanes ?? { low: 0, high: 0 });
  }

  get isUndecided(): boolean {
    return this.#sectors.length > 0 || this.#content.pendingEntries.length > 0;
  }

  /** Visit the disks that a power cut leaves, as far as `visitChoices` takes them. */
  powerCuts(bounds: ChoiceBounds, visit: (cut: PowerCut) => void): void {
    const pending = this.#content.pendingEntries.length;
    for (let names = 0; names <= pending; names += 1) {
      visitChoices(this.#sectors, bounds, (choice) => {
        const lanes = { ...this.#base };
        add(lanes, hashNumber(NAME_KIND, pending - names));
        for (let index = 0; index < choice.length; index += 1) {
          const { values } = this.#sectors[index] as Sector;
          const value = choice[index] as number;
          if (value === 0) continue;
          add(lanes, (values[0] as Sector['values'][number]).lanes);
          add(lanes, (values[value] as Sector['values'][number]).lanes);
        }
        visit({ lanes, choice, names });
      });
    }
  }

  /** Make the disk that a power cut leaves. */
  diskAfterPowerCut({ choice, names }: Pick<PowerCut, 'choice' | 'names'>, memory: Memory): SimulatedDisk {
    const made = new Map(this.#files.map(({ inode, durable }) => [inode, restored(durable, memory)] as const));
    for (const [index, { file, position, values }] of this.#sectors.entries()) {
      const bytes = values[choice[index] as number]?.bytes ?? null;
      if (bytes !== null) made.get(file.inode)?.durable.put(position, SECTOR_BYTES, bytes);
    }
    for (const inode of made.values()) inode.cached = inode.durable.fork(memory);
    const durable = new Map(this.#content.durableEntries);
    for (const change of this.#content.pendingEntries.slice(0, names)) applyEntries(durable, change);
    const entries = mapped(durable, made);
    const powerCuts = (this.#content.powerCuts ?? 0) + 1;
    return this.#disk({ durableEntries: entries, entries: new Map(entries), pendingEntries: [], powerCuts }, memory);
  }

  /** Visit what a kill here may do to the writes under way; nothing to visit if it leaves what a power cut leaves. */
  kills(visit: (fates: readonly number[]) => void): void {
    if (!this.isUndecided) return;
    visitFates(
      this.#files.flatMap(({ flights }) => flights),
      visit,
    );
  }

  /** Make the disk that a kill leaves: the page cache with what is pending, and of each write under way what its fate says. */
  diskAfterKill(fates: readonly number[], memory: Memory): SimulatedDisk {
    let flight = 0;
    const made = new Map<Inode, Inode>();
    for (const { inode, durable, pending, flights } of this.#files) {
      const next = restored(durable, memory);
      next.cached = durable.fork(memory);
      for (const change of pending) next.put(change, false);
      for (const { change } of flights) {
        const fate = KILL_FATES[fates[flight] ?? 0];
        for (const part of fate?.parts(change) ?? []) next.put(part, fate?.durable === true);
        flight += 1;
      }
      made.set(inode, next);
    }
    const { entries, durableEntries, pendingEntries, powerCuts = 0 } = this.#content;
    const changes = pendingEntries.map((change) => change.map(([path, inode]) => [path, inode && (made.get(inode) ?? null)] as const));
    const content = { durableEntries: mapped(durableEntries, made), entries: mapped(entries, made), pendingEntries: changes, powerCuts };
    return this.#disk(content, memory);
  }

  /** Say what a power cut leaves of what it could lose. */
  describePowerCut({ choice, names }: Pick<PowerCut, 'choice' | 'names'>): string {
    const pending = this.#content.pendingEntries.length;
    const parts = this.#sectors.map(({ file, position, writes }, index) => {
      const write = writes[choice[index] as number] as number;
      return `${file.path} at ${position} ${write < 0 ? 'lost' : `kept of write ${write}`}`;
    });
    return [...(pending > 0 ? [`${names} of ${pending} names`] : []), ...parts].join('; ') || 'nothing was undecided';
  }

  /** Say what a kill did to the writes under way. */
  describeKill(fates: readonly number[]): string {
    const flights = this.#files.flatMap(({ path, flights: of }) => of.map(({ change }) => ({ path, change })));
    const parts = flights.map(
      ({ path, change }, index) =>
        `${path} at ${change.position}, ${change.lengthBytes} bytes: ${KILL_FATES[fates[index] ?? 0]?.name ?? '?'}`,
    );
    return parts.join('; ') || 'nothing was under way';
  }

  #disk(content: Omit<Content, 'directories'>, memory: Memory): SimulatedDisk {
    return new SimulatedDisk({ ...this.#options, arena: memory }, { ...content, directories: new Set(this.#content.directories) });
  }

  #take(path: string, inode: Inode): void {
    const { pending, flights } = inode.undecided();
    const [number, durable] = [numberOf(path), inode.durable.fork()];
    const file = { path, number, inode, durable, lanes: hashImage(number, durable), pending: [...pending], flights };
    this.#files.push(file);
    add(this.#base, file.lanes);
    if (pending.length === 0 && flights.length === 0) return;
    const bySector = new Map<number, Sector>();
    for (const [write, change] of [...pending, ...flights.map((flight) => flight.change)].entries()) {
      assert(change.position % SECTOR_BYTES === 0 && change.lengthBytes % SECTOR_BYTES === 0, 'small worlds write whole sectors');
      for (let at = 0; at < change.lengthBytes; at += SECTOR_BYTES)
        takeSector(bySector, { file, write, position: change.position + at }, change.bytes?.subarray(at, at + SECTOR_BYTES) ?? BLANK);
    }
    for (const sector of bySector.values()) if (sector.values.length > 1) this.#sectors.push(sector);
  }
}

function takeSector(
  bySector: Map<number, Sector>,
  { file, write, position }: { file: FileAtCrash; write: number; position: number },
  bytes: Uint8Array,
): void {
  let sector = bySector.get(position);
  if (sector === undefined) {
    file.durable.read(before.fill(0), position);
    sector = { file, position, values: [{ bytes: null, lanes: hashSector(file.number, position, before) }], writes: [-1] };
    bySector.set(position, sector);
  }
  const lanes = hashSector(file.number, position, bytes);
  if (sector.values.some((known) => known.lanes.low === lanes.low && known.lanes.high === lanes.high)) return;
  sector.values.push({ bytes, lanes });
  sector.writes.push(write);
}

function restored(durable: Image, memory: Memory): Inode {
  const inode = new Inode(memory);
  inode.durable = durable.fork(memory);
  return inode;
}

function mapped(names: ReadonlyMap<string, Inode>, made: ReadonlyMap<Inode, Inode>): Map<string, Inode> {
  const entries = new Map<string, Inode>();
  for (const [path, inode] of names) {
    const next = made.get(inode);
    if (next !== undefined) entries.set(path, next);
  }
  return entries;
}

const numbers = new Map<string, number>();

/** A number for each file by its name, the same in every world. */
function numberOf(path: string): number {
  let number = numbers.get(path);
  if (number === undefined) {
    number = 0;
    for (let index = 0; index < path.length; index += 1) number = Math.imul(number ^ path.charCodeAt(index), 0x01000193);
    numbers.set(path, number);
  }
  return number;
}
