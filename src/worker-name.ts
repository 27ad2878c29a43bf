import { hostname } from 'node:os'

/** What a worker is called when nobody named it. */
export const defaultWorkerName = (): string => `${hostname()}-${process.pid}`
