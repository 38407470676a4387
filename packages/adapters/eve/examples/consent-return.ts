// agent/channels/consent.ts
import { consentReturn } from '@valetkey/eve'
import type { Channel } from 'eve/channels'

const channel: Channel = consentReturn('/valetkey/return')

export default channel
