/** Digits of a number written out in full, as PostgreSQL prints it; `1e131071` would be 131,072 of them. */
export const MAX_NUMBER_DIGITS = 1_000

/** PostgreSQL refuses a greater exponent even of zero, which has no digit to move. */
const MAX_EXPONENT = 1_000_000_000

export interface NumberForm {
  negative: boolean
  /** Digits without leading zeros, up to the last that is not zero; '' for zero. */
  significant: string
  /** Where the point stands, counted from the first significant digit: 12.5 has 2, 0.05 has -1. */
  point: number
  /** Digits of the whole number as PostgreSQL prints it, with trailing zeros kept: `1.50` has three. */
  digits: number
  /** Length of that text with its sign and point. */
  length: number
}

/** Takes a JSON number apart. A number too long to be written out has `digits` Infinity. */
export function numberForm(text: string): NumberForm {
  const negative = text.startsWith('-')
  const [mantissa = '', exponentText = '0'] = text.slice(negative ? 1 : 0).split(/[eE]/)
  const [whole = '', fraction = ''] = mantissa.split('.')
  const exponent = Number(exponentText)
  const all = whole + fraction
  let first = 0
  while (all.charCodeAt(first) === 0x30) first++
  let last = all.length
  while (last > first && all.charCodeAt(last - 1) === 0x30) last--

  const significant = all.slice(first, last)
  const point = whole.length - first + exponent
  const wholeDigits = significant === '' ? 1 : Math.max(1, point)
  const fractionDigits = Math.max(0, fraction.length - exponent)
  const digits = Math.abs(exponent) > MAX_EXPONENT ? Infinity : wholeDigits + fractionDigits
  const minus = negative && significant !== ''
  return { negative: minus, significant, point, digits, length: digits + Number(fractionDigits > 0) + Number(minus) }
}

/**
 * One text for equal numbers: `100` for `1e2` and `100.0`, `0` for `-0`. A number that `checkJson` refuses as too long
 * keeps an exponent.
 */
export function canonicalNumber(text: string): string {
  const { negative, significant, point } = numberForm(text)
  if (significant === '') return '0'
  const sign = negative ? '-' : ''
  if (Math.max(point, significant.length) - Math.min(point, 0) > MAX_NUMBER_DIGITS) {
    return `${sign}0.${significant}e${point}`
  }
  if (point <= 0) return `${sign}0.${'0'.repeat(-point)}${significant}`
  if (point >= significant.length) return sign + significant.padEnd(point, '0')
  return `${sign}${significant.slice(0, point)}.${significant.slice(point)}`
}
