/** What small worlds exercised. */
export type Counters = Record<
  | 'histories'
  | 'worlds'
  | 'crashPoints'
  | 'statesReached'
  | 'statesJudged'
  | 'powerCuts'
  | 'kills'
  | 'secondCrashes'
  | 'recoveries'
  | 'levelled'
  | 'promotions',
  number
>;

export function noCounters(): Counters {
  return {
    histories: 0,
    worlds: 0,
    crashPoints: 0,
    statesReached: 0,
    statesJudged: 0,
    powerCuts: 0,
    kills: 0,
    secondCrashes: 0,
    recoveries: 0,
    levelled: 0,
    promotions: 0,
  };
}
