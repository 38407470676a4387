// `npm run campaign [-- --only refresh|scale] [--seed N] [--points N] [--grants N] [--fresh]`: long campaigns against real
// counterparts. Stopped, it goes on where it was; reports go to docs/reports.
import { parseArgs } from 'node:util'
import { refreshCampaign } from './refresh.ts'
import { writeReport } from './report.ts'
import { scaleCampaign } from './scale.ts'
import { openState } from './state.ts'

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    seed: { type: 'string', default: '1' },
    points: { type: 'string', default: '200' },
    grants: { type: 'string', default: '1000000' },
    fresh: { type: 'boolean', default: false },
  },
})
const { only, fresh } = values
if (only !== undefined && only !== 'refresh' && only !== 'scale') {
  console.error('--only takes refresh or scale')
  process.exit(2)
}
const [seed, points, grants] = [values.seed, values.points, values.grants].map(Number)
if (seed === undefined || points === undefined || grants === undefined || !(points > 0 && grants >= 1000)) {
  console.error('--seed, --points and --grants take numbers, --grants from 1000 on')
  process.exit(2)
}

const state = openState({ seed, points, grants }, fresh)
let held = true
if (only !== 'scale') {
  const report = await refreshCampaign({ seed, points }, state)
  writeReport(report)
  held &&= report.held
}
if (only !== 'refresh') {
  const report = await scaleCampaign({ seed, grants }, state)
  writeReport(report)
  held &&= report.held
}
state.remove()
console.error(held ? 'Every promise held.' : 'A promise was broken: see docs/reports.')
// Said outright: the database's own hook ends the process with 0 otherwise.
process.exit(held ? 0 : 1)
