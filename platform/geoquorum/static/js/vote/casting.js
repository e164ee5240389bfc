/* Votes: made here, kept in the outbox, counted at once, sent in the background. */

import { isSignedOut, judge, post } from "./api.js";
import { makeBallot } from "./ballots.js";
import { Outbox } from "./outbox.js";
import { word } from "./words.js";

export class Casting {
  constructor(page, { history, rail, onLink, onSent }) {
    Object.assign(this, { page, history, rail, onLink, onSent });
    this.own = { done: page.own.answered + page.own.skipped, total: page.own.total };
    this.link = { isOffline: false, isSignedOut: false };
    this.outbox = new Outbox({
      prefix: `geoquorum.votes.${page.person}.`,
      send: (item) => this.send(item),
      onChange: () => this.showLink(),
    });
  }

  /* Items of this campaign that wait; others' are sent from here as well, but are not counted here. */
  waiting() {
    return this.outbox.items().filter((item) => item.campaign === this.page.campaign);
  }

  decide({ sample, shownAt, opened, said, isRaised = false }) {
    const isNew = !this.history.decided.has(sample.assignment);
    const ballot = makeBallot({ page: this.page, sample, shownAt, opened, said });
    this.history.apply({ ...ballot, sample });
    if (isNew) this.own.done += 1;
    this.put({ ballot, sample, isRaised, isNew });
    this.rail.sayVote(said, this.own, isNew);
  }

  /* Returns the sample whose vote was taken back, or null. */
  takeBack(entry) {
    if (!entry) {
      this.rail.say(word("nothing-to-take-back"));
      return null;
    }
    const { sample } = entry;
    const ballot = makeBallot({ page: this.page, sample, shownAt: null, opened: [], said: { kind: "taken_back" } });
    this.history.remove(sample.assignment);
    this.own.done -= 1;
    this.put({ ballot, sample });
    this.rail.say(word("took-back", { what: entry.kind === "skip" ? word("skipped") : this.rail.nameOf(entry.code) }));
    return sample;
  }

  put({ ballot, sample, isRaised = false, isNew = false }) {
    this.rail.showProgress(this.own);
    const raise = isRaised ? this.raiseUrl(sample) : "";
    this.outbox.add({ campaign: this.page.campaign, url: this.page.urls.vote, raise, isNew, ballot, sample });
  }

  raiseUrl(sample) {
    return this.page.urls.raise.replace("/0/", `/${sample.sample}/`);
  }

  /* For the outbox: "stored", "refused", or after how many seconds to try again. */
  async send(item) {
    const { status, body, retryAfterS } = await this.deliver(item);
    const outcome = judge(status, body);
    this.link = { isSignedOut: isSignedOut(status, body), isOffline: outcome === "later" && !isSignedOut(status, body) };
    if (outcome === "refused") this.meetRefusal(item, body.error ?? `HTTP ${status}`);
    if (outcome !== "later") this.onSent();
    return outcome === "later" ? { afterS: retryAfterS } : outcome;
  }

  /* The vote, and then the wish to discuss its sample; where the wish does not arrive, both are sent again. */
  async deliver(item) {
    const answer = await post(item.url, item.ballot);
    if (!item.raise || judge(answer.status, answer.body) !== "stored") return answer;
    const raised = await post(item.raise, {});
    return judge(raised.status, raised.body) === "later" ? raised : answer;
  }

  /* Raises a sample that has the own vote already, and says what came of it. */
  async raise(sample) {
    const { status, body } = await post(this.raiseUrl(sample), {});
    const isDone = judge(status, body) === "stored";
    this.rail.say(isDone ? word("raised") : word("not-raised", { error: body.error ?? body.detail ?? word("no-answer") }));
  }

  /* The server's word is final: the vote is named, and neither counted nor sent again. */
  meetRefusal(item, error) {
    this.rail.refuse(item, error);
    if (item.ballot.kind === "taken_back" || item.campaign !== this.page.campaign) return;
    this.history.refuse(item.sample.assignment);
    if (item.isNew) this.own.done -= 1;
    this.rail.showProgress(this.own);
  }

  /* The server's own count, once nothing waits that it cannot know. */
  takeOwn(own) {
    if (this.waiting().length === 0) this.own = { done: own.answered + own.skipped, total: own.total };
    this.rail.showProgress(this.own);
  }

  meetLink(link) {
    this.link = { isOffline: false, isSignedOut: false, ...link };
    if (!link && this.outbox.isWaiting) this.outbox.retry(); // the server answers again
    this.showLink();
  }

  showLink() {
    this.onLink({ ...this.link, size: this.outbox.size, isSafe: this.outbox.isSafe }, this.waiting());
  }
}
