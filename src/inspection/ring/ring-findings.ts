/** What is wrong with a ring although each block and record of it may be whole: parts that do not belong together. */
import type { FileScan } from '../../../journals/file-scan.ts';
import { BLOCK_BYTES, HEADER_FIELDS, HEADER_OFFSET, WATERMARK_FIELDS } from '../../../journals/format.ts';
import type { Geometry } from '../../model/ids.ts';
import { RULES } from './findings.ts';
import type { Finding, InspectedWatermark } from './ring-report.ts';

/** A header of another ring: a start refuses it when it opens the files, even where its data set is done. */
export function otherGeometry({ path, slot, header }: FileScan, geometry: Geometry): Finding[] {
  if (header.verdict !== 'readable') return [];
  const { slots, slotBytes } = header;
  if (slots === geometry.slots && slotBytes === geometry.slotBytes) return [];
  return [
    {
      path,
      slot,
      offset: HEADER_OFFSET + (slots === geometry.slots ? HEADER_FIELDS.slotBytes : HEADER_FIELDS.slots).offset,
      what: 'the header is of another ring',
      expected: `${geometry.slots} slots of ${geometry.slotBytes} bytes, as most headers say`,
      found: `${slots} slots of ${slotBytes} bytes`,
      verdict: 'damaged',
      matters: true,
      meaning: 'a start refuses a journal of another geometry',
      advice: 'bring the file back that was there, or check journals.path, journals.slots and journals.size',
    },
  ];
}

/** A start that refuses although no journal on its own is to blame: state, watermark and journals do not belong together. */
export function refusedAltogether(question: {
  readonly refused: { readonly code: string; readonly message: string } | null;
  readonly found: readonly Finding[];
  readonly directory: string;
  readonly watermark: InspectedWatermark;
}): Finding[] {
  const { refused, found, directory, watermark } = question;
  if (refused === null || found.some(({ matters }) => matters)) return [];
  const ofWatermark = refused.code === 'ERR_WATERMARK_FOREIGN';
  return [
    {
      path: ofWatermark ? watermark.path : directory,
      slot: null,
      offset: ofWatermark ? (watermark.block ?? 0) * BLOCK_BYTES + WATERMARK_FIELDS.groupId.offset : null,
      what: ofWatermark ? 'the watermark is not of this state' : 'state and journals do not belong together',
      expected: RULES.parts,
      found: refused.message,
      verdict: 'damaged',
      matters: true,
      meaning: `a start refuses with ${refused.code}`,
      advice: 'bring those together that belong together; --state DIR names another state folder',
    },
  ];
}
