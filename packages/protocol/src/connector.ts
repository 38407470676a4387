/** What an attached workload may know of a connector: `GET /v1/connect/connectors/{connector}`. */
export interface ConnectorDescription {
  readonly id: string
  readonly uid: string
  readonly name: string
  readonly type: string
  readonly service: string
  readonly clientUrl?: string
  /** Milliseconds since the epoch. */
  readonly createdAt: number
  /** Milliseconds since the epoch. */
  readonly updatedAt: number
  /** Public configuration only. */
  readonly data: Readonly<Record<string, unknown>>
}
