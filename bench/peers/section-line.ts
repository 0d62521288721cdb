/** What is done one after the other, in the order in which it came. */
export class SectionLine<T> {
  private readonly work: (item: T) => Promise<void>
  private last: Promise<void> = Promise.resolve()

  /** @param work a failure of it ends the process: nothing may overtake what failed */
  constructor(work: (item: T) => Promise<void>) {
    this.work = work
  }

  push(item: T): void {
    this.last = this.last.then(() => this.work(item))
  }

  idle(): Promise<void> {
    return this.last
  }
}
