/**
 * Who waits for a share of something, group by group: the group that has the least of it goes first, and in it who waits longest. A
 * project with a thousand connections leaves as much to one with a single one as to itself.
 */
export interface Member {
  /** Whom it belongs to; may only change while it has nothing and does not wait. */
  readonly group: string
}

export class GroupQueue<Waiting extends Member> {
  /** By group, and in it oldest first; no group without a member. */
  readonly #waiting = new Map<string, Set<Waiting>>()
  /** By group; none that has nothing. */
  readonly #shares = new Map<string, { bytes: number }>()

  /** What a group has. */
  bytesOf(group: string): number {
    return this.#shares.get(group)?.bytes ?? 0
  }

  /** Gives bytes to a group, or takes them if they are negative. */
  add(group: string, bytes: number): void {
    const share = this.#shares.get(group)
    if (share === undefined) {
      if (bytes !== 0) this.#shares.set(group, { bytes })
    } else if ((share.bytes += bytes) === 0) this.#shares.delete(group)
  }

  wait(member: Waiting): void {
    const members = this.#waiting.get(member.group)
    if (members === undefined) this.#waiting.set(member.group, new Set([member]))
    else members.add(member)
  }

  /** The member does not wait any more, if it did. */
  forget(member: Waiting): void {
    const members = this.#waiting.get(member.group)
    if (members?.delete(member) === true && members.size === 0) this.#waiting.delete(member.group)
  }

  /** Who goes next; undefined if nobody waits. */
  findNext(): Waiting | undefined {
    if (this.#waiting.size === 0) return undefined
    let least = Infinity
    let next: Waiting | undefined
    for (const [group, [oldest]] of this.#waiting) {
      if (this.bytesOf(group) >= least) continue
      least = this.bytesOf(group)
      next = oldest
    }
    return next
  }
}
