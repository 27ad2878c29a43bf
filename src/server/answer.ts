const JSON_HEADERS = { 'content-type': 'application/json', 'cache-control': 'no-store' }

/** An answer whose body is JSON text already. */
export function answerJson(json: string, status = 200): Response {
  return new Response(json, { status, headers: JSON_HEADERS })
}

export const answer = (value: unknown, status = 200): Response => answerJson(JSON.stringify(value), status)

export const answerNothing = (): Response => new Response(null, { status: 204 })

export const answerText = (text: string, contentType: string): Response =>
  new Response(text, { headers: { 'content-type': contentType, 'cache-control': 'no-store' } })
