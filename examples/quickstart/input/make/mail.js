// The mails of mail.ndjson: what a small shop's systems send in a day, to roles at example.com and example.org.

/** Attempts come 0.3 to 2 s apart, so that the whole run takes seconds. Real mail would wait for minutes. */
const BACKOFF = { kind: 'exponential', base: '300ms', cap: '2s', jitter: 0.2 }

const ROLES = [
  'accounts',
  'front-desk',
  'warehouse',
  'purchasing',
  'support',
  'press',
  'library',
  'events',
  'archive',
  'it',
]
const PLACES = ['Lisbon', 'Tromsø', 'Osaka', 'Quito', 'Nairobi', 'Zürich', 'Haifa', 'Galway', 'Plovdiv', 'Huế']

// Each is what some mail program has once got wrong.
const TEMPLATES = [
  (n, place) => ({
    subject: `Order ${1000 + n} is on its way to ${place}`,
    text: `Hello,\n\nyour order ${1000 + n} left our warehouse this morning.\nIt should reach ${place} within three days.\n\nThank you.\n`,
  }),
  (n, place) => ({
    subject: `Rechnung Nr. ${n} über 1.249,50 € – fällig in 14 Tagen`,
    text: `Guten Tag,\n\nanbei die Rechnung für ${place}.\n\n  Summe:  1.249,50 €\n  davon 19 % USt.:  199,50 €\n\nMit freundlichen Grüßen\n`,
  }),
  (n) => ({
    subject: `ご注文 ${n} の確認`,
    text: `ご注文ありがとうございます。\n\n注文番号: ${n}\n発送予定: 明日\n\nこのメールは自動送信です。\n`,
  }),
  (n) => ({
    subject: `Nightly backup ${n}: 3 notes`,
    text: `.profile was skipped\n..cache was skipped\n.\n...and the line above is a dot alone, which ends a mail unless it is doubled.\n\nFrom 02:00 to 02:07, all went well.\n`,
  }),
  (n, place) => ({
    subject: `Your weekly summary for ${place}: ${'visits, orders, returns and reviews; '.repeat(6)}and the weather`,
    text: `One line of ${place} that is longer than SMTP allows (998): ${'the quick brown fox jumps over the lazy dog, '.repeat(40)}and rests.\n`,
  }),
  (n) => ({
    subject: `🎉 Ticket #${n} is solved — how did we do? 👍🏽`,
    text: `Rate us: https://shop.example/rate?ticket=${n}&score=10&utm=3D%20=\n\n1 = 🙁   10 = 🙂 👩🏽‍🚀\n\ttabs\tstay\ttabs\nspaces at the end stay too   \n`,
  }),
  (n) => ({
    subject: `تأكيد الحجز رقم ${n} / אישור הזמנה`,
    text: `تم تأكيد حجزكم رقم ${n}.\nההזמנה אושרה.\nCaf\u00e9 or cafe\u0301: one letter \u00e9, or e and an accent. Both stay as they are.\n`,
  }),
  (n) => ({
    subject: `  Password reset "${n}" <not a tag> =?utf-8?q?not_a_word?= `.trim(),
    text: `Use this code within ten minutes: ${String((n * 7919) % 1_000_000).padStart(6, '0')}\n\n-- \nIf it was not you, ignore this mail.\n\n\n`,
  }),
]

const pick = (list, n) => list[n % list.length]

function mail(kind, n, email, options = {}) {
  const place = pick(PLACES, Math.floor(n / 3))
  const payload = { email, ...pick(TEMPLATES, n)(n, place) }
  return {
    type: 'send_email',
    queue: 'emails',
    payload,
    max_attempts: 5,
    backoff: BACKOFF,
    timeout: '30s',
    tags: [kind],
    ...options,
  }
}

const number = (n) => String(n + 1).padStart(3, '0')
const domain = (n) => (n % 2 ? 'example.org' : 'example.com')
const series = (count, make) => Array.from({ length: count }, (_, n) => make(n))

/** 200 mails in the order in which they are sent: the good ones, and the others spread among them. */
export function makeMails() {
  const good = series(150, (n) => mail('good', n, `${pick(ROLES, n)}.${number(n)}@${domain(n)}`))
  const others = [
    ...series(20, (n) => mail('slow', n, `slow.${pick(ROLES, n)}.${number(n)}@${domain(n)}`)),
    // The digit says how many times the server turns the mail away before it takes it.
    ...series(20, (n) => mail('transient', n, `transient-${1 + (n % 3)}.${pick(ROLES, n)}.${number(n)}@${domain(n)}`)),
    ...series(5, (n) => mail('hopeless', n, `unknown.${pick(ROLES, n)}.${number(n)}@${domain(n)}`)),
    ...series(5, (n) => mail('hopeless', n, `full.${pick(ROLES, n)}.${number(n)}@${domain(n)}`, { max_attempts: 3 })),
  ]
  // 50 others among 150: every fourth one, taken from all kinds in turn.
  const spread = series(others.length, (n) => others[(n * 17) % others.length])
  return spread.flatMap((other, n) => [...good.slice(n * 3, n * 3 + 2), other, good[n * 3 + 2]])
}
