/** What is wrong with a region, whether it matters, and what to do. */
import type { SequenceNumber } from '../../model/ids.ts';
import { ANCHOR_FIELDS, ANCHOR_OFFSETS } from '../../peer/nvram/format.ts';
import type { FoundBlock } from '../../peer/nvram/region-scan.ts';
import type { ByteVerdict, Finding } from '../ring/ring-report.ts';
import type { HeldDataSet } from './held-data-sets.ts';
import type { RegionPicture } from './read-region.ts';

const LOST = 'the next start of the peer takes all that the region held as lost, and begins an empty one';
const RESCUE =
  'do not start the peer; keep a copy of the file. Its records are needed only if the secondary is gone or was restarted, and "farshore nvram show" reads those that it can';

/** Everything that is wrong with the file, in the order of its bytes. */
export function regionFindings(picture: RegionPicture, held: readonly HeldDataSet[]): Finding[] {
  return [
    ...superblockFindings(picture),
    ...anchorFindings(picture),
    ...bootFindings(picture),
    ...endFindings(picture),
    ...numberFindings(picture, held),
  ];
}

type About = Pick<Finding, 'what' | 'verdict' | 'matters' | 'meaning' | 'advice'>;

function ofBlock(path: string, block: FoundBlock<unknown>, about: About): Finding[] {
  if (block.verdict === 'readable') return [];
  if (block.verdict === 'unreadable')
    return [{ path, slot: null, offset: block.offset, expected: block.expected, found: block.found, ...about }];
  const later = {
    matters: true,
    meaning: 'this Farshore cannot read it, so the peer refuses to start',
    advice: 'use the newer Farshore that wrote it',
  };
  return [
    {
      path,
      slot: null,
      offset: block.offset,
      expected: 'format version 1',
      found: `version ${block.version}`,
      ...about,
      verdict: 'unreadable',
      ...later,
    },
  ];
}

function superblockFindings({ path, blocks, fileBytes }: RegionPicture): Finding[] {
  const { superblock } = blocks;
  const about = { verdict: 'damaged', matters: true, meaning: LOST, advice: RESCUE } as const;
  if (superblock.verdict !== 'readable') return ofBlock(path, superblock, { what: 'the superblock is damaged', ...about });
  const { sizeBytes } = superblock.content;
  if (sizeBytes === fileBytes) return [];
  const offset = Math.min(sizeBytes, fileBytes);
  return [
    {
      path,
      slot: null,
      offset,
      what: 'the file has not the size that it was made with',
      expected: `${sizeBytes} bytes`,
      found: `${fileBytes} bytes`,
      ...about,
    },
  ];
}

function anchorFindings({ path, blocks, running }: RegionPicture): Finding[] {
  const { anchors, newest } = blocks;
  return anchors.flatMap((anchor, index) =>
    ofBlock(
      path,
      anchor,
      newest === null
        ? { what: `anchor ${index} is damaged`, verdict: 'damaged', matters: true, meaning: LOST, advice: RESCUE }
        : {
            what: `anchor ${index} is damaged`,
            // It may be written just now.
            verdict: running === true ? 'in flight' : 'unreadable',
            matters: false,
            meaning: 'the other anchor counts, and leads to everything that is held',
            advice: 'start the peer: it writes the anchor anew',
          },
    ),
  );
}

function bootFindings({ path, blocks, contents }: RegionPicture): Finding[] {
  if (contents === null || !contents.isOfOtherBoot) return [];
  return [
    {
      path,
      slot: null,
      offset: ANCHOR_OFFSETS[blocks.newest ?? 0] + ANCHOR_FIELDS.bootId.offset,
      what: 'the region is of hold: memory, and the machine was restarted since the peer last wrote it',
      expected: 'the boot in which it was written, or a clean stop of the peer',
      found: `boot ${contents.anchor.bootId}`,
      verdict: 'unreadable',
      matters: true,
      meaning: `nobody knows which records reached the disk, so ${LOST}`,
      advice: RESCUE,
    },
  ];
}

function endFindings({ path, running, contents }: RegionPicture): Finding[] {
  if (contents === null || contents.end.verdict === 'clean-end') return [];
  const { offset, expected, found } = contents.end;
  const about = { path, slot: null, offset, expected, found };
  const { isDamage, intactRecords } = contents.behind;
  const behind = intactRecords === 0 ? 'Nothing behind it is read' : `${intactRecords} records behind it are whole, and are not read`;
  if (running === true)
    return [
      {
        ...about,
        what: 'the records end in bytes that cannot be read',
        verdict: 'in flight',
        matters: false,
        meaning: 'a peer is running, and may be writing here just now',
        advice: 'look again, or after the peer was stopped',
      },
    ];
  return [
    {
      ...about,
      what: `the records end in bytes that cannot be read, behind ordinal ${contents.head.ordinal - 1}`,
      verdict: isDamage ? 'damaged' : 'unreadable',
      matters: true,
      meaning: `${
        isDamage
          ? 'no crash leaves it so: records that were held are damaged'
          : 'a message that a crash tore, of which nobody was told that it is held, or damage of records that are held: the file alone cannot tell'
      }. ${behind}`,
      advice:
        'as long as the secondary has not been restarted, nothing is lost: its journals get all of it. Otherwise keep a copy of the file before the peer starts',
    },
  ];
}

/** Two records with one number: what no region of one history has. */
function numberFindings({ path }: RegionPicture, held: readonly HeldDataSet[]): Finding[] {
  return held.flatMap(({ dataSet, tally }) => {
    const { numbers } = tally;
    const [twice] = numbers.examplesOf('contradicts');
    const [outside] = numbers.examplesOf('outside');
    const about = {
      path,
      slot: null,
      verdict: 'damaged',
      matters: true,
      meaning: 'no Farshore writes such a region, and no crash leaves it so',
      advice: 'keep a copy of the file, and report it',
    } as const;
    const finding = (offset: number, what: string, expected: string, sequence: SequenceNumber): Finding => ({
      ...about,
      offset,
      what: `data set ${dataSet}: ${what}`,
      expected,
      found: `number ${sequence}`,
    });
    return [
      ...(twice === undefined ? [] : [finding(twice.offset, 'two records have one number', 'one record for each number', twice.sequence)]),
      ...(outside === undefined
        ? []
        : [
            finding(
              outside.offset,
              'a record has a number that its data set cannot have',
              `numbers from ${numbers.firstSequence} on`,
              outside.sequence,
            ),
          ]),
    ];
  });
}

/** The verdict on the bytes behind the last record. */
export function endVerdict({ running, contents }: RegionPicture): ByteVerdict {
  if (contents === null) return 'damaged';
  if (contents.end.verdict === 'clean-end') return 'clean end';
  return running === true ? 'in flight' : contents.behind.isDamage ? 'damaged' : 'unreadable';
}
