/** The application's side of a host over a volume that is slow: order of overlapping writes, FLUSH and FUA, failure, change of order. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  Application,
  awaitsFlush,
  type ApplicationFlush,
  type ApplicationWrite,
  type WriteOrder,
} from '../../src/application/application.ts';
import { PlainOrder } from '../../src/application/plain-order.ts';
import { NBD_ERRNO } from '../../src/nbd/contract.ts';
import { Random } from '../../src/simulation/random.ts';
import { HeldVolume, NotedRequest } from '../support/primary-volume.ts';

const BLOCK = 512;

interface Numbered {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/** An order that numbers what is stored, and admits and answers when the test says so. */
class NotedOrder implements WriteOrder {
  writeBytesMax = Number.MAX_SAFE_INTEGER;
  readonly numbered: Numbered[] = [];
  readonly waiting: ApplicationWrite[] = [];
  readonly stores: ApplicationWrite[] = [];
  readonly flushes: (ApplicationFlush | ApplicationWrite)[] = [];
  readonly failures: string[] = [];
  turns = 0;
  admits = true;
  answers = true;
  readonly #application: Application;

  constructor(application: Application) {
    this.#application = application;
    application.order = this;
  }

  requested(write: ApplicationWrite): void {
    if (this.admits) this.#application.store(write);
    else this.waiting.push(write);
  }

  stored(write: ApplicationWrite): void {
    this.stores.push(write);
    this.numbered.push({ offset: write.offset, bytes: write.data?.slice() ?? new Uint8Array(write.lengthBytes) });
    if (this.answers && !awaitsFlush(write)) this.#application.finish(write);
  }

  flushed(done: ApplicationFlush | ApplicationWrite): void {
    this.flushes.push(done);
    if (this.answers) this.#application.finish(done);
  }

  failed(error: Error): void {
    this.failures.push(error.message);
  }

  turnEnded(): void {
    this.turns += 1;
  }

  /** The image that a secondary would have: the writes in the order of their numbers. */
  image(sizeBytes: number): Uint8Array {
    const image = new Uint8Array(sizeBytes);
    for (const { offset, bytes } of this.numbered) image.set(bytes, offset);
    return image;
  }
}

function bench(blocks = 16): { volume: HeldVolume; application: Application; order: NotedOrder } {
  const volume = new HeldVolume(blocks * BLOCK);
  const application = new Application([volume], 'test');
  return { volume, application, order: new NotedOrder(application) };
}

test('numbers follow the order of the stores: the copy by numbers is the volume, overlapping writes included', () => {
  for (let seed = 1; seed <= 60; seed += 1) {
    const random = new Random(seed);
    const int = (below: number): number => Math.floor(random.next() * below);
    const { volume, application, order } = bench();
    // Some stores are done at once, and must not overtake one that is under way.
    volume.storesNow = () => random.next() < 0.4;
    const requests: NotedRequest[] = [];
    for (let step = 0; step < 120; step += 1) {
      if (random.next() < 0.5) {
        const blocks = 1 + int(4);
        const command = random.next() < 0.2 ? 'trim' : random.next() < 0.1 ? 'writeZeroes' : 'write';
        requests.push(
          new NotedRequest({
            command,
            offset: int(16 - blocks + 1) * BLOCK,
            lengthBytes: blocks * BLOCK,
            value: 1 + (step % 200),
            fua: random.next() < 0.1,
          }),
        );
        application.submit([requests.at(-1) as NotedRequest]);
      } else if (volume.underWay.length > 0) {
        volume.end(int(volume.underWay.length));
      }
    }
    volume.endAll();
    assert.ok(
      requests.every((request) => request.answer === NBD_ERRNO.ok),
      `seed ${seed}: everything is answered`,
    );
    assert.not(volume.overlapped, `seed ${seed}: overlapping stores are never under way together`);
    assert.equal(order.image(volume.bytes.length), volume.bytes, `seed ${seed}: numbers are in the order of stores`);
    assert.is(order.numbered.length, requests.length);
    assert.is(application.storesUnderWay, 0);
  }
});

test('thousands of writes that wait for one block are stored in their order, without ever deeper calls', () => {
  const { volume, application, order } = bench();
  volume.storesNow = () => order.numbered.length > 0;
  const requests = Array.from({ length: 10_000 }, (_, index) => new NotedRequest({ value: index % 200 }));
  application.submit(requests);
  volume.end();
  assert.is(order.numbered.length, 10_000);
  assert.equal(
    order.numbered.every(({ bytes }, index) => bytes[0] === index % 200),
    true,
  );
});

test('a write is answered after its store, and by its order', () => {
  const { volume, application, order } = bench();
  order.answers = false;
  const request = new NotedRequest();
  application.submit([request]);
  assert.equal([application.storesUnderWay, order.stores.length], [1, 0]);
  volume.end();
  assert.equal([application.storesUnderWay, order.stores.length, request.answer], [0, 1, null]);
  assert.ok(order.turns >= 2, 'the order learns that a turn ended');
  application.finish(order.stores[0] as ApplicationWrite);
  assert.is(request.answer, NBD_ERRNO.ok);
});

test('a write with FUA is answered only when the volume was flushed after its store', () => {
  const { volume, application } = bench();
  const request = new NotedRequest({ fua: true, value: 7 });
  application.submit([request]);
  assert.equal(
    volume.underWay.map(({ kind }) => kind),
    ['store'],
  );
  volume.end();
  assert.equal([volume.underWay.map(({ kind }) => kind), request.answer], [['flush'], null]);
  volume.end();
  assert.equal([request.answer, volume.durable[0]], [NBD_ERRNO.ok, 7]);
});

test('zeroes and trims with FUA are flushed too', () => {
  for (const command of ['trim', 'writeZeroes'] as const) {
    const { volume, application } = bench();
    const request = new NotedRequest({ command, fua: true });
    application.submit([request]);
    volume.end();
    assert.is(request.answer, null);
    volume.end();
    assert.is(request.answer, NBD_ERRNO.ok);
  }
});

test('FLUSH makes durable what was answered before it, and does not wait for what is under way', () => {
  const { volume, application } = bench();
  const [first, second, flush] = [
    new NotedRequest({ value: 5 }),
    new NotedRequest({ value: 6, offset: BLOCK }),
    new NotedRequest({ command: 'flush' }),
  ];
  application.submit([first]);
  volume.end();
  assert.is(first.answer, NBD_ERRNO.ok);
  application.submit([second, flush]);
  volume.end(1);
  assert.equal([flush.answer, volume.durable[0], volume.durable[BLOCK]], [NBD_ERRNO.ok, 5, 0]);
  volume.end();
});

test('reads are answered at once, and also after a failure', () => {
  const { volume, application } = bench();
  volume.bytes.fill(9);
  application.fail();
  let read = 0;
  const data = new Uint8Array(BLOCK);
  application.submit([new NotedRequest({ command: 'read', data, onAnswer: ({ answer }) => void (read = answer === 0 ? 1 : -1) })]);
  assert.is(read, 1);
});

test('a failed store or flush: EIO for everything that waits and everything later, told to the order once', () => {
  for (const fails of ['store', 'storeNow', 'zero', 'flush', 'fua'] as const) {
    const { volume, application, order } = bench();
    const waiting = new NotedRequest({ offset: 9 * BLOCK });
    order.admits = false;
    application.submit([waiting]);
    order.admits = true;
    const flush = new NotedRequest({ command: 'flush' });
    const request = new NotedRequest({ command: fails === 'zero' ? 'trim' : fails === 'flush' ? 'flush' : 'write', fua: fails === 'fua' });
    const behind = new NotedRequest({});
    if (fails === 'storeNow') volume.storesNow = () => true;
    if (fails === 'storeNow') volume.failure = new Error('EIO');
    application.submit(fails === 'flush' ? [request] : [request, behind]);
    if (fails === 'fua') volume.end();
    if (fails !== 'storeNow') {
      application.submit([flush]);
      volume.failure = new Error('EIO');
      volume.end(fails === 'fua' ? volume.underWay.findIndex(({ kind }) => kind === 'flush') : 0);
    }
    assert.ok(application.failed, fails);
    volume.endAll();
    const requests = [waiting, request, ...(fails === 'flush' ? [] : [behind]), ...(fails === 'storeNow' ? [] : [flush])];
    assert.equal(
      requests.map((one) => one.answer),
      requests.map(() => NBD_ERRNO.EIO),
      fails,
    );
    const later = [new NotedRequest(), new NotedRequest({ command: 'flush' }), new NotedRequest({ command: 'trim' })];
    application.submit(later);
    assert.equal(
      later.map((one) => one.answer),
      later.map(() => NBD_ERRNO.EIO),
      fails,
    );
    assert.equal(order.failures, ['EIO'], fails);
    assert.is(order.numbered.length, fails === 'fua' ? 1 : 0, `${fails}: nothing is numbered after the failure`);
  }
});

test('a payload that is being stored is not given back by a failure before its store has ended', () => {
  const { volume, application, order } = bench();
  const [slow, failing] = [new NotedRequest({ value: 3 }), new NotedRequest({ value: 4, offset: BLOCK })];
  application.submit([slow, failing]);
  volume.failure = new Error('EIO');
  volume.end(1);
  assert.equal([failing.answer, slow.answer], [NBD_ERRNO.EIO, null]);
  volume.end();
  assert.equal([slow.answer, volume.bytes[0], order.numbered.length], [NBD_ERRNO.EIO, 3, 0]);
});

test('a write larger than a data set is stored and numbered in parts, and answered after the last', () => {
  const { volume, application, order } = bench();
  order.writeBytesMax = 3 * BLOCK;
  const data = Uint8Array.from({ length: 8 * BLOCK }, (_, index) => 1 + Math.floor(index / BLOCK));
  const request = new NotedRequest({ data, offset: 2 * BLOCK, fua: true });
  application.submit([request]);
  for (let part = 1; part <= 3; part += 1) {
    assert.equal([order.numbered.length, request.answer], [part - 1, null]);
    assert.equal(
      volume.underWay.map(({ kind }) => kind),
      ['store'],
      'only the last part is flushed',
    );
    volume.end();
  }
  assert.equal(
    order.numbered.map(({ offset, bytes }) => [offset / BLOCK, bytes.length / BLOCK, bytes[0]]),
    [
      [2, 3, 1],
      [5, 3, 4],
      [8, 2, 7],
    ],
  );
  volume.end();
  assert.is(request.answer, NBD_ERRNO.ok);
});

test('zeroes and trims have no payload: one record, however long', () => {
  const { volume, application, order } = bench();
  order.writeBytesMax = BLOCK;
  application.submit([new NotedRequest({ command: 'trim', lengthBytes: 16 * BLOCK })]);
  volume.end();
  assert.equal(
    order.numbered.map(({ bytes }) => bytes.length),
    [16 * BLOCK],
  );
});

test('another order takes over every phase: nothing is stored twice, nothing is forgotten, nothing is reordered', () => {
  for (let seed = 1; seed <= 80; seed += 1) {
    const random = new Random(seed);
    const int = (below: number): number => Math.floor(random.next() * below);
    const { volume, application, order } = bench();
    order.writeBytesMax = 2 * BLOCK;
    const requests: NotedRequest[] = [];
    const submitOne = (): void => {
      const blocks = 1 + int(5);
      const command = random.next() < 0.2 ? 'flush' : random.next() < 0.2 ? 'trim' : 'write';
      const place = command === 'flush' ? {} : { offset: int(16 - blocks + 1) * BLOCK, lengthBytes: blocks * BLOCK };
      requests.push(new NotedRequest({ command, ...place, value: 1 + requests.length, fua: random.next() < 0.3 }));
      application.submit([requests.at(-1) as NotedRequest]);
    };
    for (let step = 0; step < 30; step += 1) {
      order.admits = random.next() < 0.8;
      order.answers = random.next() < 0.7;
      if (random.next() < 0.6 || volume.underWay.length === 0) submitOne();
      else volume.end(int(volume.underWay.length));
    }
    const stored = order.stores.length;
    const failures: Error[] = [];
    const plain = new PlainOrder(application, (error) => void failures.push(error));
    assert.is(application.order, plain);
    for (let step = 0; step < 10; step += 1) {
      submitOne();
      if (volume.underWay.length > 0) volume.end(int(volume.underWay.length));
    }
    volume.endAll();
    assert.equal(
      requests
        .filter((request) => request.answer !== NBD_ERRNO.ok)
        .map(({ command, offset, fua, answer }) => ({ command, offset, fua, answer })),
      [],
      `seed ${seed}: everything is answered`,
    );
    assert.is(order.stores.length, stored, 'the old order is told of nothing more');
    assert.not(volume.overlapped);
    assert.equal(failures, []);
  }
});

test('a write in parts with FUA goes on under another order while a part of it is being stored', () => {
  const { volume, application, order } = bench();
  order.writeBytesMax = 2 * BLOCK;
  const request = new NotedRequest({ lengthBytes: 6 * BLOCK, value: 8, fua: true });
  application.submit([request]);
  new PlainOrder(application, () => {});
  volume.endAll();
  assert.equal([request.answer, volume.durable[0], volume.durable[6 * BLOCK - 1]], [NBD_ERRNO.ok, 8, 8]);
});

test('shut down: what was not stored yet is refused, what is under way is answered as usual', () => {
  const { volume, application, order } = bench();
  const underWay = new NotedRequest({ value: 2 });
  application.submit([underWay]);
  order.admits = false;
  const waiting = new NotedRequest({ offset: BLOCK });
  application.submit([waiting]);
  application.shutDown();
  const later = new NotedRequest({ offset: 2 * BLOCK });
  application.submit([later]);
  assert.equal([waiting.answer, later.answer, application.storesUnderWay], [NBD_ERRNO.ESHUTDOWN, NBD_ERRNO.ESHUTDOWN, 1]);
  // The order may admit it later all the same: it is not stored any more.
  application.store(order.waiting[0] as ApplicationWrite);
  volume.endAll();
  assert.equal([underWay.answer, order.numbered.length, volume.bytes[BLOCK]], [NBD_ERRNO.ok, 1, 0]);
});

test.run();
