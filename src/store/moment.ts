import { Fragment, fragment } from './sql.ts'

/** The CTE `moment`: times by clock_timestamp(), since a caller's transaction may have begun long ago; one for the whole batch. */
export const moment = fragment`moment as materialized (
      select clock_timestamp() as now
    )`

/** Seconds as a double, exact to the microsecond: printed in a tenth of the time of a numeric. */
export const epoch = (column: string): Fragment => new Fragment(`date_part('epoch', ${column}) as ${column}`)
