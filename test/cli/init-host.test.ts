import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { PeerConfig } from '../../src/cli/config/host-config.ts';
import { checkConfigText } from '../../src/cli/config/load-config.ts';
import { initHost, previewInit } from '../../src/cli/init-host.ts';
import { codeOf } from '../support/scratch.ts';

let folder = '';
test.before.each(() => {
  folder = mkdtempSync(join(tmpdir(), 'farshore-test-'));
});
test.after.each(() => rmSync(folder, { recursive: true, force: true }));

async function peerConfig(): Promise<PeerConfig> {
  const text = 'role: peer\ngroup: demo\nstate: ./peer\nnvram: { path: ./region, size: 4MiB }\nconnect: "ws://127.0.0.1:1"\n';
  return (await checkConfigText({ path: join(folder, 'peer.yaml'), text, environment: {} })) as PeerConfig;
}

const options = { zeroExisting: false, onProgress: () => {} };

test('a peer: what init would make is what it makes, and it says what is there', async () => {
  const config = await peerConfig();
  assert.equal(previewInit(config), [`nvram: makes ${folder}/region, 4.0 MiB, hold memory`, `state: ${folder}/peer`]);
  assert.not(existsSync(join(folder, 'region')), 'a preview makes nothing');
  const state = await initHost(config, options);
  assert.equal([state.role, state.condition, state.groupId, state.volumes, state.region?.lost], ['peer', 'active', null, [], []]);
  assert.match(state.region?.id ?? '', /^[0-9a-f]{32}$/);
  const { size, blocks } = statSync(join(folder, 'region'));
  assert.is(size, 4 * 2 ** 20);
  assert.ok(blocks * 512 >= size, 'allocated whole');
  assert.equal(previewInit(config), [
    `nvram: ${folder}/region exists; refused, or set aside and made anew by --zero-existing`,
    `refused: ${folder}/peer/host-state.json exists, this host was initialised before`,
  ]);
  assert.is(await codeOf(() => initHost(config, options)), 'ERR_ALREADY_INITIALISED');
});

test('a file where the region is to be: refused, and left as it was, unless it may be set aside', async () => {
  const config = await peerConfig();
  writeFileSync(join(folder, 'region'), 'what somebody may need');
  assert.is(await codeOf(() => initHost(config, options)), 'ERR_NVRAM_EXISTS');
  assert.is(statSync(join(folder, 'region')).size, 22);
  assert.not(existsSync(join(folder, 'peer/host-state.json')), 'no half-made host');
  await initHost(config, { ...options, zeroExisting: true });
  assert.is(statSync(join(folder, 'region')).size, 4 * 2 ** 20);
});

test.run();
