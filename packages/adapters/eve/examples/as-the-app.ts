// agent/connections/reports.ts
import { connect } from '@valetkey/eve'
import { defineOpenAPIConnection, type OpenAPIConnectionDefinition } from 'eve/connections'

const reports: OpenAPIConnectionDefinition = defineOpenAPIConnection({
  spec: 'https://reports.example.com/openapi.json',
  description: 'The figures of the last quarter.',
  auth: connect({
    connector: 'oauth/reports',
    principalType: 'app',
    tokenParams: { scopes: ['figures:read'] },
  }),
})

export default reports
