/** The application of one primary: overlapping writes of many sizes over all volumes, zeroes, trims, reads and flush storms, each block with its own stamp. */
import type { NbdErrno, NbdRequest } from '../nbd/contract.ts';
import type { PrimaryHost } from './primary-host.ts';
import type { Arena } from './memory.ts';
import type { Random } from './random.ts';
import { VOLUMES } from './setting.ts';
import type { Life } from './virtual-time.ts';
import { violated } from './violation.ts';

const BLOCK = 512;

interface Issued {
  readonly id: number;
  readonly volume: number;
  readonly offset: number;
  readonly data: Uint8Array | null;
  readonly lengthBytes: number;
  replied: boolean;
  /** Another write of the same blocks was under way together with it: either may come last. */
  contested: boolean;
}

export class Workload {
  left: number;
  readonly #host: PrimaryHost;
  readonly #random: Random;
  readonly #arena: Arena;
  /** The write that was submitted last, by volume and block. */
  readonly #newest = VOLUMES.map(({ sizeBytes }) => new Int32Array(sizeBytes / BLOCK).fill(-1));
  /** Replied to, and not yet known to be durable here. */
  #replied: Issued[] = [];
  #underWay: Issued[] = [];
  /** All writes, by their ID. */
  readonly #issued: Issued[] = [];
  #nextId = 0;
  #life: Life | null = null;

  constructor(options: { host: PrimaryHost; writes: number; random: Random; arena: Arena }) {
    this.#host = options.host;
    this.left = options.writes;
    this.#random = options.random;
    this.#arena = options.arena;
  }

  get host(): PrimaryHost {
    return this.#host;
  }

  /** Write more than was planned. */
  extend(writes: number): void {
    const hadEnded = this.left <= 0;
    this.left += writes;
    if (hadEnded) this.start();
  }

  /** The host was restored from an older copy: what was replied to since is gone, and nobody is promised it. */
  forget(): void {
    for (const newest of this.#newest) newest.fill(-1);
    this.#replied = [];
    this.#underWay = [];
  }

  /** Begin: a burst now and then, until all is written. */
  start(): void {
    const { world } = this.#host.around.universe;
    const random = this.#random;
    if (this.left <= 0) return;
    const delayUs = random.chance(0.2) ? random.int(60_000) : random.int(4_000);
    world.schedule(
      delayUs,
      'application',
      () => {
        if (this.#host.serves) this.#host.run('requests', () => this.#burst());
        this.start();
      },
      null,
    );
  }

  #burst(): void {
    const random = this.#random;
    const { application } = this.#host.primary ?? {};
    // What was replied to in another life was judged when it ended.
    if (this.#life !== this.#host.life) this.#replied = [];
    this.#life = this.#host.life;
    if (application === undefined || application === null || !this.#host.serves) return;
    const requests: NbdRequest[] = [];
    if (random.chance(0.08)) for (let count = random.between(3, 12); count > 0; count -= 1) requests.push(this.#flush());
    for (let count = random.between(1, 6); count > 0 && this.left > 0; count -= 1) {
      requests.push(this.#write());
      if (random.chance(0.3)) requests.push(this.#flush());
      if (random.chance(0.2)) requests.push(this.#read());
    }
    this.#host.requestsOpen += requests.length;
    application.submit(requests);
  }

  #write(): NbdRequest {
    const random = this.#random;
    this.left -= 1;
    this.#host.around.counters.writes += 1;
    const volume = random.int(VOLUMES.length);
    const blocks = (VOLUMES[volume]?.sizeBytes ?? 0) / BLOCK;
    const size = random.chance(0.7) ? random.between(1, 8) : random.chance(0.8) ? random.between(8, 24) : random.between(24, 150);
    const count = Math.min(size, blocks);
    let first = random.chance(0.5) ? random.int(Math.min(8, blocks - count + 1)) : random.int(blocks - count + 1);
    if (random.chance(0.4)) first -= first % 8;
    const command = random.pick(['write', 'write', 'write', 'write', 'write', 'trim', 'writeZeroes'] as const);
    const id = this.#nextId;
    this.#nextId += 1;
    const data = command === 'write' ? this.#stamped(id, count) : null;
    const issued: Issued = { id, volume, offset: first * BLOCK, lengthBytes: count * BLOCK, data, replied: false, contested: false };
    this.#issued.push(issued);
    this.#contest(issued);
    this.#newest[volume]?.fill(id, first, first + count);
    const fua = random.chance(0.1);
    const numbered = this.#host.history.nextSequence;
    return this.#request({ command, exportIndex: volume, offset: issued.offset, lengthBytes: issued.lengthBytes, fua, data }, () => {
      issued.replied = true;
      this.#judgeHeld([issued], 'cached', 'a write');
      if (fua) this.#judgeHeld([issued], 'durable', 'a write with FUA');
      if (fua) this.#judgeFar(this.#numberOf(issued, numbered), 'a write with FUA');
      this.#replied.push(issued);
    });
  }

  /** What was replied to before is read, unless it is written again meanwhile. @invariant I4 */
  #read(): NbdRequest {
    const random = this.#random;
    const volume = random.int(VOLUMES.length);
    const newest = this.#newest[volume] ?? violated('application', 'each volume has its newest writes');
    const count = Math.min(random.between(1, 24), newest.length);
    const first = random.int(newest.length - count + 1);
    const [offset, lengthBytes, data] = [first * BLOCK, count * BLOCK, this.#arena.take(count * BLOCK)];
    const before = newest.slice(first, first + count).map((id) => (this.#issued[id]?.replied === true ? id : -1));
    return this.#request({ command: 'read', exportIndex: volume, offset, lengthBytes, fua: false, data }, () => {
      for (const [index, id] of before.entries()) {
        const issued = this.#issued[id];
        if (issued === undefined || issued.contested || newest[first + index] !== id) continue;
        const at = (first + index) * BLOCK - issued.offset;
        const expected = issued.data?.subarray(at, at + BLOCK) ?? ZERO_BLOCK;
        if (Buffer.compare(data.subarray(index * BLOCK, (index + 1) * BLOCK), expected) !== 0)
          violated('read', `block ${first + index} of volume ${VOLUMES[volume]?.name} is read without write ${id}, which was replied to`);
      }
    });
  }

  #contest(issued: Issued): void {
    this.#underWay = this.#underWay.filter(({ replied }) => !replied);
    for (const other of this.#underWay) {
      if (
        other.volume !== issued.volume ||
        other.offset >= issued.offset + issued.lengthBytes ||
        issued.offset >= other.offset + other.lengthBytes
      )
        continue;
      other.contested = true;
      issued.contested = true;
    }
    this.#underWay.push(issued);
  }

  #flush(): NbdRequest {
    this.#host.around.counters.flushes += 1;
    const volume = this.#random.int(VOLUMES.length);
    const covered = this.#replied.filter((issued) => issued.volume === volume);
    const numbered = this.#host.history.nextSequence;
    return this.#request({ command: 'flush', exportIndex: volume, offset: 0, lengthBytes: 0, fua: false, data: null }, () => {
      this.#judgeHeld(covered, 'durable', 'a flush');
      this.#judgeFar(numbered - 1, 'a flush');
      const known = new Set(covered);
      this.#replied = this.#replied.filter((issued) => !known.has(issued));
    });
  }

  #request(request: Omit<NbdRequest, 'complete' | 'fastZero' | 'noHole'>, done: () => void): NbdRequest {
    const { life } = this.#host;
    let completed = false;
    const complete = (errno: NbdErrno): void => {
      if (life.dead || this.#host.life !== life) return;
      this.#host.guard(() => {
        if (completed) violated('application', 'a request was answered twice');
        completed = true;
        if (errno === 0) done();
        this.#host.requestEnded();
      });
    };
    return { ...request, fastZero: false, noHole: false, complete };
  }

  /** A reply promises what was written, to a flush all that was replied to before it; blocks that were written again since are not looked at. */
  #judgeHeld(covered: readonly Issued[], where: 'cached' | 'durable', what: string): void {
    for (const { id, volume, offset, lengthBytes, data, contested } of covered) {
      if (contested) continue;
      const image = this.#host.disk.image(VOLUMES[volume]?.path ?? '', where) ?? violated('flush', `a volume has no ${where} name`);
      for (let at = 0; at < lengthBytes; at += BLOCK) {
        if (this.#newest[volume]?.[(offset + at) / BLOCK] !== id) continue;
        if (!image.holds(offset + at, data === null ? ZERO_BLOCK : data.subarray(at, at + BLOCK)))
          violated('flush', `${what} was answered before write ${id} was ${where} in the primary's volume`);
      }
    }
  }

  /** The number that a write got, of those from `numbered` on. */
  #numberOf({ volume, offset }: Issued, numbered: number): number {
    const { history, primary } = this.#host;
    // In the middle of an event: the head may be ahead of the buffers.
    if (primary?.order) history.observe(primary.order);
    const { records } = history;
    const vlun = VOLUMES[volume]?.vlun;
    const record = records.slice(numbered).find(({ header }) => header.vlun === vlun && header.lba === offset / BLOCK);
    return record?.sequence ?? violated('application', 'a write is answered before it has its number');
  }

  /** Where the group asks for it, and there is one far side, a reply means that everything through this number is complete on the far side (DESIGN section 9). */
  #judgeFar(sequence: number, what: string): void {
    const { history, around } = this.#host;
    const dataSet = history.records[sequence]?.dataSet;
    if (around.setting.flushReply === 'local' || dataSet === undefined || dataSet <= around.promisedThrough(history)) return;
    // What both hosts lost was complete when it was told.
    if (around.hasImpostors || around.counters.doubleLosses > 0) return;
    violated('flush', `${what} was answered before data set ${dataSet} was complete on the far side`);
  }

  #stamped(id: number, blocks: number): Uint8Array {
    const data = this.#arena.take(blocks * BLOCK);
    for (let block = 0; block < blocks; block += 1) data.fill(1 + ((id * 31 + block * 7) % 255), block * BLOCK, (block + 1) * BLOCK);
    const view = new DataView(data.buffer, data.byteOffset, data.length);
    for (let block = 0; block < blocks; block += 1) view.setUint32(block * BLOCK, id * 1024 + block);
    return data;
  }
}

const ZERO_BLOCK = new Uint8Array(BLOCK);
