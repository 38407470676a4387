export { type Broker, type BrokerConfig, createBroker } from './create-broker.ts'
export type { Log, LogLevel } from './log.ts'
export { KeyRingInvalid } from './secrets/key-ring.ts'
