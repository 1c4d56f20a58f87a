/**
 * FORMAT.md explains a journal with what `journal dump` says of fixtures: it must be what it says. Each block stands behind a comment
 * `<!-- dump FIXTURE/FILE OPTIONS: PARTS -->`. After a change that is meant: `REWRITE_FIXTURES=1 npm test -- dump-document`.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { checkoutFolder } from '../support/golden.ts';
import { dumpBytes } from './show-support.ts';

const DOCUMENT = join(checkoutFolder(), 'journals/FORMAT.md');
const BLOCK = /<!-- dump ([\w-]+)\/([\w.-]+)((?: --[\w-]+ \d+)*): ([^>]+) -->\n```\n([\s\S]*?)```\n/g;

const folder = mkdtempSync(join(tmpdir(), 'farshore-dump-document-'));
test.after(() => rmSync(folder, { recursive: true }));

interface Block {
  readonly fixture: string;
  readonly file: string;
  readonly options: string;
  readonly parts: readonly string[];
}

function option(options: string, name: string): number | undefined {
  const value = new RegExp(`--${name} (\\d+)`).exec(options)?.[1];
  return value === undefined ? undefined : Number(value);
}

/** The paragraphs of the dump that are wanted, by the part's name or the record's number. */
async function textOf({ fixture, file, options, parts }: Block): Promise<string> {
  const packed = readFileSync(join(checkoutFolder(), 'fixtures/crash-replay/v1', fixture, 'crash/journals', `${file}.gz`));
  const from = option(options, 'offset');
  const payloadBytes = option(options, 'payload-bytes');
  const { text } = await dumpBytes(join(folder, file), gunzipSync(packed), {
    ...(payloadBytes === undefined ? {} : { payloadBytes }),
    ...(from === undefined ? {} : { region: { from, lengthBytes: option(options, 'length') ?? 256 } }),
  });
  const paragraphs = text.trimEnd().split('\n\n');
  const wanted = parts.map((part) => {
    const pattern = /^\d+$/.test(part) ? new RegExp(`^record, .*number ${part}\\b`) : new RegExp(`^(?:watermark )?${part}, byte `);
    const found = paragraphs.find((paragraph) => pattern.test(paragraph));
    assert.ok(found, `${fixture}/${file} has no part ${part}`);
    return found;
  });
  const command = `$ farshore journal dump ${file}${options}`;
  return [command, ...wanted].join('\n\n');
}

test('the dumps in FORMAT.md are what journal dump says', async () => {
  const document = readFileSync(DOCUMENT, 'utf8');
  const blocks = [...document.matchAll(BLOCK)];
  assert.is(blocks.length, document.split('<!-- dump').length - 1, 'every comment has a block');
  assert.ok(blocks.length >= 3);
  let told = document;
  for (const [whole, fixture = '', file = '', options = '', parts = '', body = ''] of blocks) {
    const text = await textOf({ fixture, file, options, parts: parts.split(', ') });
    told = told.replace(whole, () => whole.replace(`\`\`\`\n${body}\`\`\`\n`, () => `\`\`\`\n${text}\n\`\`\`\n`));
  }
  if (process.env['REWRITE_FIXTURES'] === '1') writeFileSync(DOCUMENT, told);
  assert.is(readFileSync(DOCUMENT, 'utf8'), told, 'if the change is meant: REWRITE_FIXTURES=1 npm test -- dump-document');
});

test.run();
