/** Figure 2: how a write to a block is replicated; here the primary's part, steps 1-4, as events and effects. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { PrimaryHarness } from '../support/primary-harness.ts';

test('Fig. 2, steps 1-4: store, number, reply, transmit, in this order, before anything is known of other blocks', () => {
  const host = new PrimaryHarness({ nextSequence: 134 });
  host.connect();
  const blockA0 = host.request();
  assert.equal(host.step(blockA0), ['store 1'], 'step 1: the application sends A0; step 2: write it to the primary source VLUN');
  assert.equal(
    host.step(host.stored(1)),
    ['append 1: 0/134', 'reply 1', 'send link 1: 0/134-134'],
    'step 3: acknowledge to the application; step 4: transmit, without waiting for the data set to be complete (Fig. 3)',
  );
});

test('Fig. 2: the reply waits for the primary source VLUN and never for the network', () => {
  const host = new PrimaryHarness();
  const blockA0 = host.request();
  assert.not(host.step(blockA0).includes('reply 1'), 'not stored yet');
  assert.ok(host.step(host.stored(1)).includes('reply 1'), 'there is no link at all');
});

test('Fig. 2: "for additional blocks, repeat steps 1-5 for each block"', () => {
  const host = new PrimaryHarness({ nextSequence: 134 });
  host.connect();
  const sent = ['A0', 'B0', 'C0'].flatMap(() => host.write());
  assert.equal(sent, ['send link 1: 0/134-134', 'send link 1: 0/135-135', 'send link 1: 0/136-136']);
});

test('Fig. 2, step 6 needs the end of the data set: the sync follows the last block of a cut', () => {
  const host = new PrimaryHarness({ nextSequence: 134 });
  host.connect();
  host.write();
  assert.equal(host.step({ event: 'cutRequested', reason: 'bookmark' }), ['close 0: 134-135 bookmark', 'send link 1: 0/135-135']);
});

test.run();
