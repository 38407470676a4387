export { createConnector, plainEnvironment, runProgram, startBroker, valetkey } from './command.ts'
export { type Choose, followConsent, type PageForm } from './follow-consent.ts'
export { expect, seen, step } from './narrate.ts'
export { freePort, runApp } from './run-app.ts'
