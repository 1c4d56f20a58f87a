/**
 * A secondary in the hands of a primary that breaks the protocol: each breach costs a link, none is acknowledged, no byte of the
 * volume changes, and what is right between them is taken.
 *
 * @timeLimit 120 s
 * @invariant I2 I6 I8 I9
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readFileSync } from 'node:fs';
import type { PrimaryFacts } from '../../src/model/handshake.ts';
import { LIMITS } from '../../src/model/limits.ts';
import { CLOSE_CODE } from '../../src/record/close-codes.ts';
import { hashChain, RecordWriter, SYNC_RECORD_BYTES, encodedWriteBytes } from '../../src/record/record.ts';
import type { WriteCommand } from '../../src/record/contract.ts';
import { decodeMessage, encodeMessage, type WireMessage } from '../../src/record/wire.ts';
import { encodePad } from '../record/samples.ts';
import { FakePrimary, newPrimaryFacts, type FakeLink } from '../support/fake-link.ts';
import { imagesOf } from '../support/host-copies.ts';
import { sleep, type Host } from '../support/host-process.ts';
import { withHosts } from '../support/hosts.ts';
import { memoryOf } from '../support/process-memory.ts';

const SLOTS = 4;
const BLOCK = 4096;

interface Numbers {
  dataSet: number;
  firstSequence: number;
  sequence: number;
}

/** Records of the fake primary's stream. */
class Script {
  readonly facts: PrimaryFacts;

  constructor(host: Host) {
    this.facts = newPrimaryFacts(host);
  }

  record(numbers: Partial<Numbers>, command: Partial<WriteCommand> = {}, stream = {}): Buffer {
    const whole: WriteCommand = {
      type: 'write',
      vlun: 0,
      lba: 0,
      lengthBytes: BLOCK,
      timeUs: 1,
      payload: Buffer.alloc(BLOCK, 0x77),
      ...command,
    };
    const bytes = Buffer.alloc(encodedWriteBytes(whole.payload?.length ?? 0));
    new RecordWriter(bytes).encodeWrite(
      0,
      whole,
      { dataSet: 0, firstSequence: 0, sequence: 0, ...numbers },
      { generation: 1, stream: this.facts.stream, ...stream },
    );
    return bytes;
  }

  /** The sync of a data set of these records. */
  sync(
    numbers: { dataSet: number; firstSequence: number; finalSequence: number },
    records: readonly Buffer[],
    chainBefore: string,
  ): { bytes: Buffer; chain: string } {
    const chain = hashChain(
      chainBefore,
      Uint32Array.from(records, (record) => record.readUInt32LE(76)),
      this.facts.session,
    );
    const bytes = Buffer.alloc(SYNC_RECORD_BYTES);
    new RecordWriter(bytes).encodeSync(
      0,
      { ...numbers, reason: 'flush', chain, incarnation: this.facts.session, headBytes: 1, timeUs: 1 },
      { generation: 1, stream: this.facts.stream },
    );
    return { bytes, chain };
  }
}

/** A fresh secondary that has joined the fake primary's group; `link` waits for its next link, agreed and open. */
async function withFakePrimary(
  work: (scene: { secondary: Host; script: Script; link: () => Promise<FakeLink> }) => Promise<void>,
): Promise<void> {
  await withHosts({ volumes: [{ name: 'db1', sizeMiB: 4 }], slots: SLOTS, slotMiB: 1, links: 1 }, async ({ secondary }) => {
    const script = new Script(secondary);
    const waiting: FakeLink[] = [];
    const welcome = async (link: FakeLink): Promise<void> => {
      if ((await link.message('hello', 10_000)) === null) return;
      link.send({ kind: 'welcome', facts: script.facts });
      if ((await link.message('ready', 10_000)) !== null) waiting.push(link);
    };
    const fake = await FakePrimary.open((link) => void welcome(link));
    try {
      secondary.config.replication.connect = [fake.url];
      await secondary.init();
      await secondary.start();
      const link = async (): Promise<FakeLink> => {
        for (let tries = 0; tries < 600; tries += 1) {
          const next = waiting.shift();
          if (next !== undefined && !next.isClosed) return next;
          await sleep(10);
        }
        throw new Error(`no link came\n${secondary.logTail()}`);
      };
      await work({ secondary, script, link });
    } finally {
      await fake.close();
    }
  });
}

const records = (...encoded: readonly Buffer[]): WireMessage => ({ kind: 'records', encoded: Buffer.concat(encoded) });

function acknowledged(link: FakeLink): number {
  let count = 0;
  for (const bytes of link.received) {
    const message = decodeMessage(bytes);
    if (message.kind === 'acknowledge') for (const { from, to } of message.ranges) count += to - from + 1;
  }
  return count;
}

test('every breach costs its link and nothing else; what is right between them is taken', async () => {
  await withFakePrimary(async ({ secondary, script, link }) => {
    const images = imagesOf(secondary);
    const far = 2 ** 52;
    const header = (change: (bytes: Buffer) => void): Buffer => {
      const bytes = script.record({});
      change(bytes);
      return bytes;
    };
    const breaches: readonly (readonly [what: RegExp, message: WireMessage | Uint8Array])[] = [
      [/outside VLUN 7/, records(script.record({}, { vlun: 7 }))],
      [/outside VLUN 0/, records(script.record({}, { lba: 1024 * 8 }))],
      [/outside VLUN 0/, records(script.record({}, { lba: 1024 * 8 - 1 }))],
      [/outside VLUN 0/, records(script.record({}, { type: 'zero', payload: null, lengthBytes: 2 ** 40 }))],
      [/outside VLUN 0/, records(script.record({}, { type: 'trim', payload: null, lba: 2 ** 43, lengthBytes: 512 }))],
      [/foreign-stream/, records(script.record({}, {}, { stream: 'ab'.repeat(8) }))],
      [/foreign-stream/, records(script.record({}, {}, { generation: 2 }))],
      [/record-header/, records(header((bytes) => bytes.writeUInt8(bytes.readUInt8(30) ^ 1, 30)))],
      [/record-header/, records(header((bytes) => bytes.fill(0xff, 1, 80)))],
      [/record-type/, records(Buffer.from(encodePad(80)))],
      [/protocol-version/, records(Buffer.alloc(80))],
      [/record-truncated/, records(script.record({}).subarray(0, 496))],
      [/message-length/, records(script.record({}).subarray(0, 79))],
      [/./, records(script.record({ dataSet: 0, firstSequence: 0, sequence: LIMITS.dataSetRecordsMax + 5 }))],
      [/./, records(script.record({ dataSet: 0, firstSequence: 0, sequence: far }))],
      [/./, records(script.record({ dataSet: 0, firstSequence: 5, sequence: 6 }))],
      [
        /acknowledge from a primary/,
        {
          kind: 'acknowledge',
          windowHigh: 1,
          positions: { received: 1, durable: 1, complete: 1, destaged: 1, destagedSequence: 1 },
          ranges: [],
        },
      ],
      [/ready from a primary/, { kind: 'ready' }],
      [/message-kind/, Buffer.from([99, 1, 0, 0, 0, 0, 0, 0, 0])],
      [/message-length/, Buffer.from([1])],
      [
        /protocol-version/,
        Buffer.concat([Buffer.from([4, 3]), Buffer.from(encodeMessage({ kind: 'head', head: script.facts.head })).subarray(2)]),
      ],
    ];
    for (const [what, message] of breaches) {
      const one = await link();
      one.send(message);
      const end = await one.end(1500);
      assert.is(end?.code, CLOSE_CODE.protocolViolation, `${what.source}: ${JSON.stringify(end)}\n${secondary.logTail()}`);
      assert.match(end?.reason ?? '', what);
      assert.is(acknowledged(one), 0, `${what.source}: nothing is acknowledged`);
    }
    assert.is(imagesOf(secondary), images, 'no byte changed');
    const status = await secondary.status();
    assert.is(status.dataSets.received, null, `nothing was taken: ${JSON.stringify(status.dataSets)}`);

    const right = await link();
    right.send({ kind: 'requestProgress', closedLinks: Array.from({ length: LIMITS.closedLinksMax }, (_, key) => key + 1000) });
    const damaged = script.record({ sequence: 1 });
    damaged.writeUInt8(damaged.readUInt8(200) ^ 4, 200);
    right.send(records(script.record({ dataSet: SLOTS, firstSequence: 40, sequence: 40 }), damaged));
    const first = [script.record({ sequence: 0 }), script.record({ sequence: 1 }, { lba: 8, payload: Buffer.alloc(BLOCK, 0x78) })];
    const sync = script.sync({ dataSet: 0, firstSequence: 0, finalSequence: 2 }, first, '0'.repeat(32));
    right.send(records(sync.bytes));
    right.send(records(first[1] as Buffer, first[0] as Buffer, first[1] as Buffer));
    await secondary.untilStatus('has destaged data set 0', ({ dataSets }) => dataSets.destaged === '0');
    assert.is(acknowledged(right) >= 3, true, 'what was right is acknowledged');
    const rejects = right.received.flatMap((bytes) => {
      const message = decodeMessage(bytes);
      return message.kind === 'reject' ? [`${message.reason} ${message.sequence}`] : [];
    });
    assert.equal(rejects.sort(), ['checksum 1', 'window 40'], 'what may come again is rejected, not a breach');
    const image = readFileSync(secondary.volumePath());
    assert.ok(image.subarray(0, BLOCK).every((byte) => byte === 0x77) && image.subarray(BLOCK, 2 * BLOCK).every((byte) => byte === 0x78));
    assert.ok(
      image.subarray(2 * BLOCK).every((byte) => byte === 0),
      'and nothing else changed',
    );
  });
});

test('garbage instead of a welcome, a welcome that is absurd, and a flood of links', async () => {
  await withHosts({ volumes: [{ name: 'db1', sizeMiB: 4 }], slots: SLOTS, slotMiB: 1, links: 4 }, async ({ secondary }) => {
    await secondary.init();
    const images = imagesOf(secondary);
    const answers: readonly ((link: FakeLink) => void)[] = [
      (link) => link.send(Buffer.alloc(3000, 0xa5)),
      (link) => link.sendText('hello'),
      (link) => link.send(records(new Script(secondary).record({}))),
      (link) => link.send({ kind: 'ready' }),
      (link) => link.send({ kind: 'requestProgress', closedLinks: [1, 2, 3] }),
      (link) => link.send(Buffer.alloc(LIMITS.messageBytesMax + 100, 17)),
      (link) => link.terminate(),
      () => {},
    ];
    let turn = 0;
    const fake = await FakePrimary.open((link) => answers[turn++ % answers.length]?.(link));
    secondary.config.replication.connect = [fake.url];
    await secondary.start();
    const before = memoryOf(secondary).now;
    await secondary.until('has met every kind of garbage', async () => turn >= answers.length + 4, 30_000);
    assert.is((await secondary.status()).state, 'connecting');
    assert.ok(memoryOf(secondary).peak - before < 100, 'memory is bounded');
    assert.is(imagesOf(secondary), images);
    assert.is(await secondary.stop(), 0);
    await fake.close();
  });
});

test.run();
