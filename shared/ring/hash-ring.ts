import { createHash } from 'node:crypto'

/**
 * Nodes of a member on the ring. Few are enough: loads are bounded whatever the ring says, so that four times as many
 * would find room at the first choice for 2 % more of the partitions, at four to six times the cost of the ring
 * (`npm run ring` prints both).
 */
const VIRTUAL_NODES = 32

/** A SHA-256 makes eight positions of 32 bits, so that it is not asked for each. */
const POSITIONS_PER_HASH = 8

/**
 * A ring of 2^32 positions on which each member has as many nodes as all others. Members are known by their place
 * in the list; nodes that share a position are in the order of that list.
 *
 * SHA-256 rather than xxhash: xxhash-wasm can only be had by way of a promise, and assigning partitions is to be a
 * plain function, which a simulation can call and no import has to prepare.
 */
export class HashRing {
  private readonly nodesEach: number
  /** Positions of the nodes, member by member. */
  private readonly nodes: Uint32Array
  /** Nodes by their position, as places in `nodes`. */
  private readonly clockwise: Uint32Array
  /** Positions in that order. */
  private readonly positions: Uint32Array

  constructor(members: readonly string[], nodesEach = VIRTUAL_NODES) {
    const nodes = new Uint32Array(members.length * nodesEach)
    members.forEach((member, index) => {
      writePositions(`nodes of ${member}`, nodes.subarray(index * nodesEach, (index + 1) * nodesEach))
    })
    this.nodesEach = nodesEach
    this.nodes = nodes
    this.clockwise = nodes.map((_, node) => node).sort((a, b) => at(nodes, a) - at(nodes, b) || a - b)
    this.positions = this.clockwise.map((node) => at(nodes, node))
  }

  /** Number of nodes. */
  get size(): number {
    return this.nodes.length
  }

  /** The member whose node is the `rank`-th from position 0. */
  memberAt(rank: number): number {
    return Math.floor(at(this.clockwise, rank) / this.nodesEach)
  }

  /** Rank of the first node at or after a position, going round. */
  rankFrom(position: number): number {
    let low = 0
    let high = this.positions.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (at(this.positions, middle) < position) low = middle + 1
      else high = middle
    }
    return low === this.positions.length ? 0 : low
  }

  /** How far it is, clockwise, from a position to the next node of one member. */
  distanceTo(member: number, position: number): number {
    let nearest = Infinity
    for (let node = member * this.nodesEach; node < (member + 1) * this.nodesEach; node++) {
      nearest = Math.min(nearest, (at(this.nodes, node) - position) >>> 0)
    }
    return nearest
  }
}

/** Where the partitions 0 … `partitions` − 1 lie on every ring. */
export function partitionPositions(partitions: number): Uint32Array {
  const positions = new Uint32Array(partitions)
  writePositions('partitions', positions)
  return positions
}

function writePositions(of: string, into: Uint32Array): void {
  for (let start = 0; start < into.length; start += POSITIONS_PER_HASH) {
    const hash = createHash('sha256').update(`${start} ${of}`).digest()
    for (let i = 0; i < POSITIONS_PER_HASH && start + i < into.length; i++) {
      into[start + i] = hash.readUInt32BE(4 * i)
    }
  }
}

/** Indexes here come from the arrays they are used on, which the compiler cannot know. */
function at(array: Uint32Array, index: number): number {
  return array[index] ?? 0
}
