import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { NodeDisk } from '../../src/disk/node-disk.ts';
import { releaseFormerStream } from '../../src/peer/former-stream.ts';
import { readHostState, writeHostState } from '../../src/state/host-state.ts';
import { newestHeld, recordsMessage, withPeer } from '../support/fake-secondary.ts';
import { MemoryRegion } from '../support/memory-regions.ts';
import { peeredAt, REGIONS, secondGeneration } from '../support/peer-facts.ts';
import { until } from '../support/until.ts';

const NEXT = { generation: 2, stream: '00000000000000a2' };
const next = { stream: NEXT.stream, generations: secondGeneration() };

function regionWith(...messages: readonly Uint8Array[]): MemoryRegion {
  const region = new MemoryRegion({ disk: new NodeDisk(), path: '/region', sizeBytes: 1 << 20, hold: 'memory', regionId: REGIONS.own });
  for (const message of messages) region.store(message, 2);
  return region;
}

test('what is left of a former stream stands at the beginning, and is given up again (I8)', () => {
  const region = regionWith(recordsMessage(0, 2), recordsMessage(2, 2), recordsMessage(4, 2, NEXT), recordsMessage(6, 2, NEXT));
  assert.is(releaseFormerStream(region, next), 4);
  assert.equal([region.tail, region.head], [4, 8]);
  assert.is(releaseFormerStream(region, next), 0);
});

test('another generation of the same stream is another stream', () => {
  const region = regionWith(recordsMessage(0, 2, { ...NEXT, generation: 1 }), recordsMessage(2, 2, NEXT));
  assert.is(releaseFormerStream(region, next), 2);
});

test('nothing is given up of the present stream, of an empty region, or without a stream', () => {
  const { stream, generations } = peeredAt();
  assert.is(releaseFormerStream(regionWith(recordsMessage(0, 2), recordsMessage(2, 2)), { stream, generations }), 0);
  assert.is(releaseFormerStream(regionWith(), next), 0);
  assert.is(releaseFormerStream(regionWith(recordsMessage(0, 2)), { stream: null, generations: [] }), 0);
});

test('a peer that starts finds released records of a former stream, and does not offer them', () =>
  withPeer(async ({ secondary, start, options, regions }) => {
    const first = await start();
    const link = await secondary.meet(0);
    link.send(recordsMessage(0, 2));
    await until('held', () => newestHeld(link)?.through === 2);
    await first.stop();
    // The kill that undid the release came after the state took up the new stream.
    const disk = new NodeDisk();
    writeHostState(disk, options.stateDirectory, { ...readHostState(disk, options.stateDirectory), ...next });
    const second = await start();
    assert.equal([second.facts().tail, second.facts().head], [2, 2]);
    assert.is(regions.byPath.get(options.nvram.path)?.tail, 2);
    await secondary.meet(1, peeredAt(next));
  }));

test.run();
