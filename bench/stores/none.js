/** For systems that store nothing. */
export const NO_STORE = {
  open: async () => ({ address: {}, settle: async () => {}, drop: async () => {} }),
}
