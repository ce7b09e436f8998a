"""The guard's own record of what may have been given: worst-case curves, and what the pump's counter adds.

Layer      safety, pure: no clock, no I/O; times are guard time (ms), volumes zL inside and nL outside.
Hazard     a dose forgotten by a restart, a lost answer, a counter reset, a clock; one counted where it cannot
           be.
Invariant  for every window the content is at least what flowed in it (S-03); nothing but proof lowers it
           (S-04).
Tests      tests/safety/test_history*.py, test_cleared_counters.py, test_kept_counters.py,
           tests/properties/test_history_oracle.py

Basal is one motor's rate (basal.py); boluses and the like are doses that add up (lanes.py).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from pump_ctrl.safety.basal import Basal, Parts
from pump_ctrl.safety.curve import FAR, FAR_PAST, ZL_PER_NL, Term, content, fullest, growth
from pump_ctrl.safety.doses import BEFORE, BEYOND, EVERYWHERE, Draft, Key, block
from pump_ctrl.safety.lanes import Lanes
from pump_ctrl.safety.limits import MS_PER_HOUR, PG_SCALE, WINDOWS_H, Mix
from pump_ctrl.safety.trial import Trial, trial, weighed


@dataclass(frozen=True, slots=True)
class Anchor:
    """A counter reading that later ones of the same epoch are measured from; nL."""

    epoch: int
    counter: int
    low: int
    high: int
    hidden: int  # what had been lost with the counter's last digit by then


class History:
    """Everything that may have flowed.

    Args:
        window_ms: how far back any rule looks.
    """

    def __init__(self, window_ms: int) -> None:
        self.window_ms = window_ms
        self.low_nl = 0
        self.beyond = 0  # zL that a counter showed beyond all that was permitted
        self._basal = Basal()
        self._lanes = Lanes()
        self._terms: list[Term] | None = None
        self._allowed: list[Term] = []
        self._most, self._since = 0, FAR_PAST  # no more than this (zL) up to then
        self._anchor: Anchor | None = None
        self._read: tuple[int, int] | None = None  # instant and counter of the last reading
        self._tally = (0, 0)  # a counter, and all that was permitted (zL) between it and the last reading
        self._peaks: dict[tuple[str, int], int] = {}
        self._peaked: int | None = None
        self._edges: list[int] = []  # reboots of the host since elapsed time was known
        self._clocked = (0, FAR_PAST)  # what most and since were before the first of them
        self._spent = False  # what was under way at the last of them is in most
        # zL, by which all runs, and the last, may be ahead of their even flow
        self._ahead = self._last_ahead = 0
        self._begun = 0  # the permit of the last run
        self._before: tuple[int | None, int] = (None, 0)  # at its sending: counter epoch, most nL given
        self._hidden = 0  # nL that all clears of the counter may have lost
        self._clears = False  # commands clear the counter
        self._keeps = False  # it outlives an epoch
        self._cleared: int | None = None  # since when the counter counts at the longest
        # Since when it counts, time, counter, grain and tip of a reading that has to wait until it is known how
        # long the host was off.
        self._unseen: tuple[int, int, int, int, Mix] | None = None

    # What happens.

    def begin(
        self,
        draft: Draft,
        ahead_nl: int = 0,
        hidden_nl: int = 0,
        *,
        clears: bool = False,
        keeps: bool = False,
    ) -> None:
        """A request is about to be sent: from now on it counts, beside what runs.

        By ``ahead_nl`` it may run ahead of its even flow and be cut there. It ``clears`` the counter, which may
        lose ``hidden_nl`` by that. The pump ``keeps`` its counter when it loses its power.
        """
        self._clears, self._keeps = clears, keeps
        now = draft.run.sent
        self._before = (None if self._anchor is None else self._anchor.epoch, self.most_nl(now))
        self._last_ahead, self._hidden = ahead_nl * ZL_PER_NL, self._hidden + hidden_nl
        self._ahead += self._last_ahead
        self._begun = draft.run.id
        if not self._edges and self._basal.settled:
            self._fix(now)
        self._basal.add(draft.run)
        self._lanes.begin(draft.doses, now)
        self._terms = None

    def acked(self, permit_id: int, at: int) -> None:
        """The pump took the permit ``at`` the latest: it began between its sending and then."""
        run = self._basal.run(permit_id)
        self._cleared = run.sent if self._clears else None
        self._basal.cut(run.sent, at, permit_id)
        self._lanes.cut(run.sent, at, permit_id)
        self._settle(permit_id, max(0, at - run.sent))
        self._basal.began(run)

    def given(self, permit_id: int, at: int, most_nl: int, *, ended: bool) -> None:
        """Evidence: the permit was carried out and gave at most ``most_nl``; no more of it comes if
        ``ended``.
        """
        run = self._basal.run(permit_id)
        self.acked(permit_id, min(at, run.sent + run.doubt))
        if not ended:
            return
        for dose in self._lanes.of(permit_id):
            most = most_nl * ZL_PER_NL + dose.stroke
            self._lanes.amend(dose, volume=min(dose.volume, most), cut=min(dose.cut, at))
        self._basal.end(run, at)

    def outrun(self, permit_id: int, at: int, least_nl: int, grain_nl: int, tip: Mix) -> None:
        """Evidence, ``at`` the latest, that the last permit gave ``least_nl``, after a reading of a counter that began
        anew since its sending.

        A pump that lost its power in between runs at a rate of its own: what its steps do not explain counts
        everywhere. In the same epoch every reading of the counter tells that.
        """
        (epoch, most), anchor, read = self._before, self._anchor, self._read
        if permit_id != self._begun or anchor is None or read is None or epoch in (None, anchor.epoch):
            return
        # By the counter; or by the steps, where the evidence has excluded some that the anchor still holds. What was
        # found beyond all permits in this very ms lasts until the next.
        known = min(anchor.high + read[1] - anchor.counter, self.most_nl(at + 1))
        over = most + least_nl - known
        if over > 3 * grain_nl and not self._edges:
            self.measured(over, self._basal.run(permit_id).sent, read[0], tip)

    def dropped(self, permit_id: int) -> None:
        """Proof: nothing of the permit was or can be carried out."""
        if permit_id == self._begun:
            self._ahead, self._begun = self._ahead - self._last_ahead, 0
        self._basal.drop(permit_id)
        self._lanes.drop(permit_id)
        self._terms = None

    def released(self, permit_id: int, at: int) -> None:
        """A person vouches that the permit cannot begin any more; its upper bound stays."""
        run = self._basal.run(permit_id)
        self._settle(permit_id, max(0, at - run.sent) if run.doubt >= FAR else run.doubt)
        self._basal.may_begin(run)

    def stopping(self, since: int) -> None:
        """S-09: STOP was sent: from then on nothing is sure to flow, whatever the answer."""
        self._basal.may_stop(since)

    def stopped(self, at: int) -> None:
        """The pump stopped ``at`` the latest: what was certain to run runs no more."""
        self._basal.cut(FAR, at)
        self._lanes.cut(FAR, at)
        self._terms = None

    def block(self, key: Key, volume: int, start: int, end: int) -> None:
        """``volume`` zL went in between two instants without a permit, at whatever speed."""
        self._lanes.add(block(key, volume, start, end))
        self._terms = None

    def named(self, mix: Mix) -> None:
        """What was proven before any fluid was known counts by this one."""
        self._lanes.named(mix)
        self._terms = None

    def lock(self, at: int) -> None:
        """Patient requests wait for the lockout from ``at`` on, as after a bolus."""
        self._lanes.lock(at)

    def _settle(self, permit_id: int, doubt: int) -> None:
        run = self._basal.run(permit_id)
        self._basal.settle(run, doubt)
        self._lanes.settle(permit_id, run.sent + doubt)
        self._terms = None

    def _fix(self, now: int) -> None:
        """What lies before ``now`` cannot change any more."""
        if not [dose for dose in self._lanes.live if dose.stop > now]:
            self._most, self._since = self._most + content(self._volume(), self._since, now), now
        self._basal.fix(now)
        read = now if self._read is None else self._read[0]
        before = min(now - self.window_ms, self._since, read)
        if self._peaked is None:
            self._peaked = now
        if self._basal.aged(before) or self._lanes.aged(before):
            self._peak(now)
            self._basal.forget(before)
            self._lanes.forget(before)

    # What rules ask.

    @property
    def last_bolus_end(self) -> int:
        """Latest end of any bolus that may have been given; FAR_PAST if there is none to remember."""
        return self._lanes.last_bolus_end

    def bolus_running(self, now: int) -> bool:
        """Whether a bolus may still flow."""
        return self._lanes.bolus_running(now)

    def patient_boluses_since(self, time: int) -> int:
        """How many patient boluses may have ended after ``time``."""
        return self._lanes.patient_boluses_since(time)

    def dose_most_nl(self, permit_id: int) -> int | None:
        """Most that the doses of a permit can give, nL; None when it is past."""
        amounts = [dose.amount for dose in self._lanes.of(permit_id)]
        return -(-sum(amounts) // ZL_PER_NL) if amounts else None

    def run_most_nl(self, permit_id: int) -> int | None:
        """Most basal that a permit can give before it is cut, nL; None when past or not known."""
        runs = [run for run in self._basal.runs if run.id == permit_id]
        if self._edges or not runs:
            return None
        flow = (segment for _, segment in runs[0].segments(FAR_PAST))
        return -(-sum(rate * (end - start) for start, end, rate in flow) // ZL_PER_NL)

    def flowed_nl(self, start: int, end: int) -> int:
        """Most that can have flowed between two instants, nL."""
        return -(-self.flowed_zl(start, end) // ZL_PER_NL)

    def flowed_zl(self, start: int, end: int) -> int:
        """The same, zL."""
        return content(self._volume(), start, end)

    def growth(self, now: int) -> tuple[int, int]:
        """How fast the most that can have flowed grows at ``now``, zL/ms, and until when it grows just so."""
        return growth(self._volume(), now)

    def surely_nl(self, start: int, end: int) -> int:
        """Least that must have flowed on a healthy pump since the last command, nL: what is sure, whenever each
        command began and whatever else may have.
        """
        total = 0
        for run in self._basal.runs:
            total += run.surely(start, end)
            total += sum(dose.surely(start, min(end, run.kept)) for dose in self._lanes.of(run.id))
        return total // ZL_PER_NL

    def agrees(self, permit_id: int, counter_nl: int, now: int, grain_nl: int) -> bool:
        """Whether a counter that was cleared for a permit shows what that has given by now, if it runs on."""
        sent = [run.sent for run in self._basal.runs if run.id == permit_id]
        if self._edges or not sent:
            return False
        least = self.surely_nl(sent[0], now)
        # what nobody permitted proves nothing
        most = -(-content(self._permitted(), sent[0], now) // ZL_PER_NL)
        return least - grain_nl <= counter_nl <= most + grain_nl + self._last_ahead // ZL_PER_NL

    def may_flow_after(self, now: int) -> int:
        """Most that can still flow after ``now``, zL."""
        return content(self._volume(), now, FAR)

    def trial(self, draft: Draft, until: int) -> Trial:
        """The windows as they would be if ``draft`` took over, by ``until`` at the latest, from what is
        settled.
        """
        return trial(self._basal, self._lanes, draft, until)

    def held_pg(self, drug: str, start: int, end: int) -> int:
        """Most that can have flowed of one drug between two instants, everything counted, pg."""
        return -(-content(weighed(self._everything(), drug), start, end) // PG_SCALE)

    def worst_pg(self, drug: str, hours: int, now: int) -> int:
        """The largest window of ``hours`` that has ended, pg at the tip, everything counted."""
        return -(-self._larger(weighed(self._everything(), drug), drug, hours, now) // PG_SCALE)

    def _larger(self, terms: list[Term], drug: str, hours: int, now: int) -> int:
        """The largest window so far, in zL pg/mL."""
        peak = self._peaks.get((drug, hours), 0)
        first = now if self._peaked is None else min(self._peaked, now)
        found = fullest(terms, hours * MS_PER_HOUR, first, now, peak)
        return peak if found is None else found[0]

    def _peak(self, now: int) -> None:
        """Keep the largest windows up to ``now``, before what they are made of is forgotten."""
        if self._peaked is None:
            return
        everything = self._everything()
        for drug in {drug for mix in everything for drug, _ in mix}:
            terms = weighed(everything, drug)
            for hours in WINDOWS_H:
                self._peaks[drug, hours] = self._larger(terms, drug, hours, now)
        self._peaked = now

    def _everything(self) -> Parts:
        parts = {mix: terms[:] for mix, terms in self._basal.parts.items()}
        for (_, mix), (early, late) in self._lanes.curves.items():
            parts.setdefault(mix, []).append((1, early, late))
        return parts

    def measured(self, volume_nl: int, start: int, end: int, tip: Mix) -> None:
        """A sensor proves that ``volume_nl`` more left between two instants than was permitted, uncounted."""
        self.block((BEYOND, tip), volume_nl * ZL_PER_NL, start, max(end, self._since + 1))
        self.beyond += volume_nl * ZL_PER_NL
        self._most += volume_nl * ZL_PER_NL if self._spent else 0  # without elapsed time no curve is asked
        if self._anchor is not None:  # the counter, which did not see it, does not take it back
            self._anchor = replace(self._anchor, high=self._anchor.high + volume_nl)

    # Counter of the pump.

    def reading(
        self, since: int, at: int, epoch: int, counter: int, grain_nl: int, tip: Mix, *, narrows: bool = True
    ) -> None:
        """Take a counter read between two instants; what it shows beyond all that was permitted counts
        everywhere. It ``narrows`` what may have been given, unless it may be an old one.
        """
        anchor, last = self._anchor, self._read
        if anchor is None or last is None or anchor.epoch != epoch or counter < last[1]:
            if anchor is not None and anchor.epoch != epoch:
                self._count_unseen(at, counter, grain_nl, tip)
                if self._keeps and last is not None and counter >= last[1]:
                    self._block_beyond(last[0], at, self._compared(last, at, counter, grain_nl)[1], tip)
            self._read = (since, counter)
            self._anchor = Anchor(epoch, counter, self.low_nl, self.most_nl(at), self._hidden)
            self._tally = (counter, 0)
            return
        allowed, extra = self._compared(last, at, counter, grain_nl)
        self._read = (since, counter)
        self._block_beyond(last[0], at, extra, tip)
        allowed += extra
        self._tally = (counter, 0) if self._edges else (self._tally[0], allowed)
        rise = counter - anchor.counter
        low = anchor.low + rise - grain_nl
        self.low_nl = low if low > self.low_nl else self.low_nl
        hidden = grain_nl + self._hidden - anchor.hidden
        counted, most = (anchor.high + rise + hidden) * ZL_PER_NL + self._last_ahead, self._most_at(at)
        if (
            narrows
            and counted < most
            and counted + content(self._volume(), since, FAR if self._edges else at) < most
        ):
            self._most, self._since, self._spent = counted - self._ahead, since, False
            self._tally = (counter, 0)

    def _block_beyond(self, since: int, at: int, volume: int, tip: Mix) -> None:
        """``volume`` zL went in between two readings that nobody permitted."""
        if volume > 0:
            end = max(at, self._since + 1)  # not before what most is measured from
            self.block((BEYOND, tip), volume, since, end)
            self.beyond += volume
            self._most += volume if self._spent else 0  # without elapsed time no curve is asked

    def _count_unseen(self, at: int, counter: int, grain_nl: int, tip: Mix) -> None:
        """In a new epoch a counter that commands clear shows what has left since the last one, also while nobody
        looked.

        One that outlives an epoch goes on from the last reading; what that pump lost of it, nobody can tell, so that
        the reading is a new baseline all the same.
        """
        if self._cleared is None:
            return
        if self._edges:
            self._unseen = (self._cleared, at, counter, grain_nl, tip)
        else:
            self.beyond += self._seen_late(self._cleared, at, counter, grain_nl, tip)

    def _seen_late(self, since: int, at: int, counter: int, grain_nl: int, tip: Mix) -> int:
        """What it shows beyond all that was permitted since it was cleared, zL; that counts everywhere since then."""
        if since < at - self.window_ms:
            return 0
        over = (counter + grain_nl) * ZL_PER_NL - self._last_ahead - content(self._permitted(), since, at)
        if over <= 3 * grain_nl * ZL_PER_NL:
            return 0
        self.block((BEYOND, tip), over, since, max(at, self._since + 1))
        return over

    def excess(self, at: int, epoch: int, counter: int, grain_nl: int) -> int:
        """What a counter shows beyond all that was permitted, zL; 0 up to two grains of the counter.

        Then everything since the last reading is beyond: what was permitted may still come.
        """
        if self._anchor is None or self._read is None or self._anchor.epoch != epoch:
            return 0
        from_counter, permitted = self._tally
        if (counter - from_counter - 2 * grain_nl) * ZL_PER_NL <= permitted:
            return 0  # mostly, where polls are short: what was permitted up to the last reading covers it
        return self._compared(self._read, at, counter, grain_nl)[1]

    def covered(self, at: int, grain_nl: int) -> int | None:
        """Up to which counter, zL, ``excess`` is surely 0 at that instant; later ones cover more, as ``growth`` says.

        None where that depends on more than the time.
        """
        if self._read is None or self._edges or self._strayed:
            return None
        from_counter, permitted = self._tally
        flowed = content(self._volume(), self._read[0], at)
        return (from_counter + 2 * grain_nl) * ZL_PER_NL + permitted + flowed

    def _compared(self, last: tuple[int, int], at: int, counter: int, grain_nl: int) -> tuple[int, int]:
        """All that was permitted since the tally began, and what a counter shows beyond it; zL."""
        from_counter, allowed = self._tally
        since, counted = last
        allowed += content(self._permitted(), since, FAR if self._edges else at)
        if self._spent:  # several runs may have flowed one after the other, unseen
            allowed += sum(run.volume for run in self._basal.runs)
        over = (counter - from_counter + grain_nl) * ZL_PER_NL - allowed
        if over <= 3 * grain_nl * ZL_PER_NL:
            return allowed, 0
        return allowed, max(over, (counter - counted + grain_nl) * ZL_PER_NL)

    @property
    def high_nl(self) -> int:
        """Most that was given since the journal began, with everything that may still flow."""
        return self.most_nl(FAR)

    def most_nl(self, at: int) -> int:
        """Most that was given up to ``at``: never less than what a counter has proven, whatever time off was told."""
        most = -(-self._most_at(at) // ZL_PER_NL)
        return most if most > self.low_nl else self.low_nl

    def _most_at(self, at: int) -> int:
        """What was told, and by how much the pump may be ahead of that, zL."""
        return self._told_at(at) + self._ahead

    def _told_at(self, at: int) -> int:
        """By the curves; or by the volumes of the runs alive, where one may begin at any time."""
        if self._spent:
            runs = (run.volume for run in self._basal.runs if run.sent > self._edges[-1])
            doses = (dose.amount for dose in self._lanes.live if dose.start > self._edges[-1])
            return self._most + sum(runs) + sum(doses)
        at = FAR if self._edges else at  # without elapsed time all that is under way may have flowed
        flow = content(self._volume(), self._since, at)
        return self._most + flow - self._basal.over(flow, self._since, at)

    def _volume(self) -> list[Term]:
        """Everything as volumes. Curves change in place: the list lasts until one comes or goes."""
        if self._terms is None:
            self._allowed = self._terms = self._basal.terms + self._lanes.terms(BEFORE)
            if self._strayed:
                self._allowed = self._basal.terms + self._lanes.terms(BEFORE, BEYOND)
        return self._terms

    def _permitted(self) -> list[Term]:
        """The same without what nobody permitted."""
        self._volume()
        return self._allowed

    @property
    def _strayed(self) -> bool:
        """Whether anything is remembered that nobody permitted."""
        return any(account == BEYOND for account, _ in self._lanes)

    # Time.

    def unclocked(self, edge: int) -> None:
        """The host rebooted at ``edge``: all that was under way may have flowed, and nothing is past."""
        if not self._edges:
            self._clocked = (self._most, self._since)
        self._most = self._told_at(FAR)
        self._edges.append(edge)
        self._spent = True

    def age(self, by: int, doubt: int, sure: int, now: int) -> None:
        """The host was off for ``by`` ms, or up to ``doubt`` less: what was before happened so much earlier.

        Boluses ended only ``sure`` ms earlier. What was sent between two such reboots may have flowed at any
        time.
        """
        self._peak(self._basal.base)  # what had ended by the last command: it may be less certain afterwards
        edge, last = self._edges[0], self._edges[-1]
        if self._spent:
            self._most, self._since = self._clocked
        self._edges, self._spent = [], False
        self._since -= by if self._since <= edge else 0
        self._peaked = None if self._peaked is None else self._peaked - by
        if self._read is not None and self._read[0] <= edge:
            self._read = (self._read[0] - by, self._read[1])
        if self._cleared is not None and self._cleared <= edge:
            self._cleared -= by
        between = [run for run in self._basal.runs if edge < run.sent <= last]
        for run in between:
            run.kept = FAR_PAST
        self._basal.older(edge, by, doubt)
        self._lanes.older(edge, by, sure)
        self._terms = None
        for run in between:
            for start, end, rate, mix in run.shape:
                self.block((EVERYWHERE, mix), rate * (end - start), run.sent, now)
        if self._unseen is not None:
            # more than that time allows: it was longer, which is no fault of the pump
            since, at, counter, grain_nl, tip = self._unseen
            self._unseen = None
            self._seen_late(since - by if since <= edge else since, at, counter, grain_nl, tip)
