/** What each entry of each published package exports at run time: adding a name is a minor release, removing one a major. */
export const entries: Readonly<Record<string, readonly string[]>> = {
  '@valetkey/protocol': ['errorCodes', 'isErrorCode'],
  '@valetkey/connectors': ['InvalidSettings', 'ProviderFault', 'drivers', 'findDriver'],
  '@valetkey/sdk': [
    'ConnectError',
    'ConnectorInstallationRequiredError',
    'NoValidTokenError',
    'UserAuthorizationRequiredError',
    'createClient',
    'deleteTokenCacheEntry',
    'getConnectorMetadata',
    'getToken',
    'getTokenResponse',
    'isConnectError',
    'revokeToken',
  ],
  '@valetkey/broker': ['KeyRingInvalid', 'createBroker'],
  '@valetkey/broker/host': [
    'HostError',
    'createJsonLog',
    'createLocalAccessToken',
    'migrateDatabase',
    'rotateHostKeys',
    'startDevelopmentBroker',
    'startServer',
  ],
  '@valetkey/broker/audit': ['ExportMalformed', 'readCheckpoints', 'verifyExport'],
}
