import { consentReturn } from '@valetkey/eve'

export default consentReturn('/valetkey/return')
