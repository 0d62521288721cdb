import { isStray } from './decide-batch.ts'
import type { ParsedEntry } from './parse-entry.ts'
import type { SectionKey } from './section-memory.ts'

/** The sections that must be in memory before a batch is decided, each once. A stray's is not ours. */
export function sectionsOf(
  entries: readonly ParsedEntry[],
  place: Parameters<typeof isStray>[0],
): SectionKey[] {
  const found = new Map<string, Set<string>>()
  const sections: SectionKey[] = []
  for (const parsed of entries) {
    if (parsed.kind !== 'command' || isStray(place, parsed.entry, parsed.command)) continue
    const { performanceId, sectionId } = parsed.command
    let ofPerformance = found.get(performanceId)
    if (ofPerformance === undefined) found.set(performanceId, (ofPerformance = new Set()))
    if (ofPerformance.has(sectionId)) continue
    ofPerformance.add(sectionId)
    sections.push({ performanceId, sectionId })
  }
  return sections
}
