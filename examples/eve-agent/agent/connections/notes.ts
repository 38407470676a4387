import { connect } from '@valetkey/eve'
import { defineMcpClientConnection } from 'eve/connections'

export default defineMcpClientConnection({
  url: process.env.NOTES_URL ?? '',
  description: 'The notes of the person you are talking to.',
  auth: connect({ connector: 'oauth/notes', displayName: 'Notes', returnPath: '/valetkey/return' }),
})
