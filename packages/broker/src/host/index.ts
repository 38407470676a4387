export type { Log, LogLevel } from '../log.ts'
export { HostError } from './host-error.ts'
export { createJsonLog } from './json-log.ts'
export {
  createLocalAccessToken,
  type HostOptions,
  migrateDatabase,
  type RunningBroker,
  rotateHostKeys,
  startDevelopmentBroker,
  startServer,
} from './run.ts'
