import { untilSettled } from '../checks/undecided.ts'
import type { Until } from '../load/job.ts'
import type { BookingPlan } from '../load/plan.ts'
import { transactionFigures } from '../server-figures.ts'
import { answered, closedLoop, judge, warmUp, type Row, type Scene } from './scene.ts'

type PlanOf = (scene: Scene) => BookingPlan
type CountOf = (scene: Scene) => number

/**
 * From the request to the outcome that its customer has heard.
 *
 * @param ofConsumer its settings where they are others than the usual ones
 */
export const whole =
  (until: Until, planOf: PlanOf, countOf: CountOf, ofConsumer: Readonly<Record<string, string>> = {}): Row =>
  async (scene) => {
    const { act } = scene
    const { redis, knex } = act.stage
    const { consumer, server } = await act.deployment(ofConsumer)
    await warmUp(scene, server, until)
    const plan = planOf(scene)
    const clock = act.clock()
    const report = await closedLoop(scene, server, plan, until, countOf(scene))
    const count = answered(report, 'CONFIRMED', 'REJECTED', 'CANCELLED', 'taken')
    const cpuUs = clock.each(count)
    await untilSettled(redis, knex)
    const { wrong, lost } = await judge(scene, plan)
    if (count !== report.sent) wrong.push(`${report.sent - count} did not hear an outcome`)
    const { httpRequests, told } = report
    return {
      ...{ count, seconds: report.seconds, cpuUs, latencyMs: { ...report.latencyMs }, wrong },
      figures: {
        ...{ lost, httpRequestsEach: httpRequests / Math.max(1, count) },
        ...{ confirmed: told['CONFIRMED'] ?? 0, cancelled: told['CANCELLED'] ?? 0 },
        ...{ refusedAtOnce: told['taken'] ?? 0 },
        ...{ serverRssMb: act.rssMb('server'), consumerRssMb: act.rssMb('consumer') },
        ...(await transactionFigures(consumer.port)),
      },
    }
  }
