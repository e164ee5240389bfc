"""What experts say in words: notes with votes, and threads about disputed samples."""

from django.db import models

from geoquorum.campaigns.models.asking import Campaign
from geoquorum.campaigns.models.voting import Vote


class Thread(models.Model):
    """A discussion of one sample; it opens to an expert only after the own vote."""

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="threads")
    sample = models.ForeignKey("catalog.Sample", on_delete=models.CASCADE, related_name="threads")
    raised_by = models.ForeignKey("accounts.Expert", on_delete=models.PROTECT, null=True, related_name="threads")
    raised_at = models.DateTimeField(auto_now_add=True)
    closed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["campaign", "sample"], name="thread_once")]

    def __str__(self) -> str:
        return f"{self.sample} discussed"


class Comment(models.Model):
    """Words of an expert about a sample, in a table of their own so that they can be erased.

    A note goes with a vote and is the curator's to read; a comment of a thread is read by all who may read the thread.
    """

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="comments")
    sample = models.ForeignKey("catalog.Sample", on_delete=models.CASCADE, related_name="comments")
    expert = models.ForeignKey("accounts.Expert", on_delete=models.PROTECT, related_name="comments")
    vote = models.ForeignKey(Vote, on_delete=models.PROTECT, null=True, related_name="comments")
    thread = models.ForeignKey("campaigns.Thread", on_delete=models.CASCADE, null=True, related_name="comments")
    text = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    erased_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.text[:60]
