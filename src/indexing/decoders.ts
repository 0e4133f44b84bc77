/**
 * A decoder for each logstore, made anew when its settings change: to compile patterns takes time, and the logstores come anew with
 * each change of any of them.
 */
import { type Logstore } from '../catalog/model.ts'
import { Decoder } from '../decoding/decoder.ts'

interface Known {
  logstore: Logstore
  /** What the decoder was made from. */
  settings: string
  decoder: Decoder
}

export class Decoders {
  readonly #known = new Map<string, Known>()

  get(logstore: Logstore): Decoder {
    const known = this.#known.get(logstore.id)
    if (known?.logstore === logstore) return known.decoder
    const settings = JSON.stringify([logstore.format, logstore.masks])
    const decoder = known?.settings === settings ? known.decoder : new Decoder(logstore.format, logstore.masks)
    this.#known.set(logstore.id, { logstore, settings, decoder })
    return decoder
  }
}
