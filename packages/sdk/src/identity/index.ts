export { type IdentityReport, reportIdentity } from './report-identity.ts'
export type { SourceReport } from './source-report.ts'
