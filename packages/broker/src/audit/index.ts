export { readCheckpoints } from './checkpoint.ts'
export { ExportMalformed } from './parse-export.ts'
export type { AuditVerification } from './verify.ts'
export { verifyExport } from './verify-export.ts'
