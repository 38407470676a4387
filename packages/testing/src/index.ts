export { type Clock, createClock } from './clock.ts'
export { mockIssuingPoint } from './issuing-point/mock-issuing-point.ts'
export type {
  MockAnsweredConsent,
  MockCall,
  MockConsent,
  MockFailure,
  MockFailureCode,
  MockIssuingPoint,
  MockIssuingPointOptions,
  MockRequest,
  MockToken,
  MockTokenAnswer,
} from './issuing-point/types.ts'
