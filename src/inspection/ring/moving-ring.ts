/**
 * Tell what is wrong with the ring of a running host from what only looked so: its journals are read one after another while it fills
 * and reuses them, so a picture put together from several moments may contradict itself without anything being wrong.
 */
import { RULES, worstVerdict } from './findings.ts';
import type { Finding, RingReport } from './ring-report.ts';

/** Whether a report of a running host says more than one picture can prove, so that another one has to be taken. */
export function needsAnother(report: RingReport): boolean {
  return report.running === true && (report.moving || report.refusal !== null || report.findings.some(isAlarm));
}

/**
 * Keep what two pictures of a running host both show: damage of bytes that stays where it is, and a broken rule only if nothing moved
 * between them. What is left out makes the report `moving`, and no prediction.
 * @param before the picture that was taken just before this one
 */
export function confirmed(report: RingReport, before: RingReport): RingReport {
  if (report.running !== true) return report;
  const still = !report.moving && !before.moving && report.watermark.newest?.counter === before.watermark.newest?.counter;
  const isSure = (finding: Finding): boolean =>
    !isAlarm(finding) || ((still || !isOfSeveral(finding)) && before.findings.some((other) => isSame(finding, other)));
  const isWhole = report.findings.every(isSure);
  if (isWhole && !report.moving) return report;
  const slots = report.slots.map((slot) => {
    const findings = slot.findings.filter(isSure);
    return { ...slot, findings, verdict: worstVerdict(findings) };
  });
  return { ...report, moving: true, refusal: null, through: null, slots, findings: report.findings.filter(isSure) };
}

function isAlarm({ verdict }: Finding): boolean {
  return verdict !== 'in flight';
}

/** Whether a finding follows from more than the bytes at one place. */
function isOfSeveral({ expected }: Finding): boolean {
  return expected === RULES.journal || expected === RULES.parts;
}

function isSame(a: Finding, b: Finding): boolean {
  return a.path === b.path && a.offset === b.offset && a.what === b.what && a.found === b.found;
}
