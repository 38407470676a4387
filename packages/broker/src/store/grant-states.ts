import { type RawBuilder, sql } from 'kysely'

// The indexes of grants are for some states each. A plan that holds for all values of its parameters can use such an
// index only where the state is in the statement itself, and reads the whole table otherwise.

/** `'ended'`, in the text of a statement. */
export const ended: RawBuilder<'ended'> = sql.lit('ended')

/** `'active'`, in the text of a statement. */
export const active: RawBuilder<'active'> = sql.lit('active')
