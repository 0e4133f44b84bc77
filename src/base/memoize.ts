/**
 * Remembers what was made of strings that come again and again, up to a bound: what peers send must not fill the memory.
 */

const MAX_KEYS = 10_000
/** Of a key, in UTF-16 units. What is longer is made anew each time. */
const MAX_KEY_LENGTH = 255

/** What `make` makes of a string, made once as long as it is remembered; not to be changed by whoever gets it. */
export function memoize<Value extends object>(make: (key: string) => Value): (key: string) => Value {
  const known = new Map<string, Value>()
  return key => {
    const found = known.get(key)
    if (found !== undefined) return found
    const made = make(key)
    if (key.length > MAX_KEY_LENGTH) return made
    if (known.size === MAX_KEYS) known.clear()
    known.set(key, made)
    return made
  }
}
