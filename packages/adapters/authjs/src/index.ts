export { type ConnectOptions, type ConnectProfile, connect } from './connect.ts'
