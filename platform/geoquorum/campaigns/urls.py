"""Routes of campaigns."""

from django.urls import path

from geoquorum.campaigns.views import agreement, consensus, disputes, pages, preferences, voting

app_name = "campaigns"
urlpatterns = [
    path("", pages.list_campaigns, name="list"),
    path("new/", pages.make_campaign, name="new"),
    path("preferences/", preferences.show_preferences, name="preferences"),
    path("preferences/save/", preferences.save, name="save_preferences"),
    path("<int:campaign_id>/", pages.show_campaign, name="campaign"),
    path("<int:campaign_id>/open/", pages.open_campaign, name="open"),
    path("<int:campaign_id>/close/", pages.close_campaign, name="close"),
    path("<int:campaign_id>/consensus/start/", pages.start_consensus, name="start_consensus"),
    path("<int:campaign_id>/unblind/", pages.unblind_campaign, name="unblind"),
    path("<int:campaign_id>/vote/", voting.show_vote, name="vote"),
    path("<int:campaign_id>/claims/", voting.claim, name="claim"),
    path("<int:campaign_id>/votes/", voting.cast, name="cast"),
    path("<int:campaign_id>/history/", voting.history, name="history"),
    path("<int:campaign_id>/sessions/", voting.start_session, name="session"),
    path("<int:campaign_id>/sessions/<int:session_id>/pause/", voting.pause_session, name="session_pause"),
    path("<int:campaign_id>/sessions/<int:session_id>/resume/", voting.resume_session, name="session_resume"),
    path("<int:campaign_id>/sessions/<int:session_id>/end/", voting.end_session, name="session_end"),
    path("<int:campaign_id>/consensus/", consensus.show_consensus, name="consensus"),
    path("<int:campaign_id>/consensus/<int:run_id>/<slug:kind>.csv", consensus.download, name="csv"),
    path("<int:campaign_id>/consensus/agreement/", agreement.show_agreement, name="agreement"),
    path(
        "<int:campaign_id>/consensus/<int:run_id>/agreement/<slug:kind>.csv",
        agreement.download_agreement,
        name="agreement_csv",
    ),
    path("<int:campaign_id>/disputes/", disputes.show_disputes, name="disputes"),
    path("<int:campaign_id>/disputes/round/", disputes.open_second_round, name="second_round"),
    path("<int:campaign_id>/samples/<int:sample_id>/", disputes.show_sample, name="sample"),
    path("<int:campaign_id>/samples/<int:sample_id>/raise/", disputes.raise_sample, name="raise"),
    path("<int:campaign_id>/samples/<int:sample_id>/comments/", disputes.post_comment, name="comment"),
    path(
        "<int:campaign_id>/samples/<int:sample_id>/comments/<int:comment_id>/erase/",
        disputes.erase_comment,
        name="erase_comment",
    ),
    path("<int:campaign_id>/samples/<int:sample_id>/adjudicate/", disputes.adjudicate, name="adjudicate"),
]
