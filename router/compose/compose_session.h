#pragma once

#include <memory>
#include <vector>

#include "common/rpc/outgoing_queue.h"
#include "common/rpc/server_call.h"
#include "router/compose/accepted_article.h"
#include "router/compose/article_clock.h"
#include "router/compose/article_page.h"
#include "router/compose/model_caller.h"
#include "router/compose/picture_chooser.h"
#include "router/compose/stage_prompts.h"
#include "router/in_process_stream.h"
#include "triptych/v1/inference.pb.h"

namespace triptych::router {

// One accepted Compose call: writes the article, finds the places for pictures, says what should be
// seen there, looks for candidates and chooses among them. Whatever the model answers, the article
// comes to its end; it fails only as a Generate call fails. Lives on the call's strand.
class ComposeSession final : public std::enable_shared_from_this<ComposeSession> {
 public:
  ComposeSession(const ComposeContext* context,
                 std::shared_ptr<ComposeStream> stream,
                 AcceptedArticle request,
                 TimePoint arrived);

  static Task<Status> Run(std::shared_ptr<ComposeSession> self);

 private:
  struct CaptionRound;

  static Task<Status> Compose(std::shared_ptr<ComposeSession> self);
  static Task<Status> WriteArticle(std::shared_ptr<ComposeSession> self);
  static Task<StatusOr<std::vector<int32_t>>> FindPlaces(std::shared_ptr<ComposeSession> self);
  static Task<Status> WriteCaptions(std::shared_ptr<ComposeSession> self);
  static Task<void> WriteNextCaptions(std::shared_ptr<ComposeSession> self,
                                      std::shared_ptr<CaptionRound> round);
  static Task<StatusOr<v1::Timings>> WriteCaption(std::shared_ptr<ComposeSession> self,
                                                  size_t index,
                                                  std::vector<PastCaption> past);
  static Task<Status> Illustrate(std::shared_ptr<ComposeSession> self);
  static Task<Status> SendFiles(std::shared_ptr<ComposeSession> self);
  static Task<Status> SendPage(std::shared_ptr<ComposeSession> self);
  static Task<Status> SendPicture(std::shared_ptr<ComposeSession> self, size_t index);
  static Task<Status> SendSlowly(std::shared_ptr<ComposeSession> self, v1::ComposeEvent event);

  std::vector<Place> PlacesFor(std::vector<int32_t> paragraphs) const;
  Status SendStarted(const v1::Started& started);
  Status SendPlacement(const Place& place);
  Status AddIllustration(const Place& place, const ChosenPicture& chosen);
  Status Finish();
  void OnArticleEvent(const v1::GenerateEvent& event);
  void SendText(std::string_view text);
  void Keep(const Status& sent);

  const ComposeContext& context_;
  const std::shared_ptr<ComposeStream> stream_;
  const AcceptedArticle request_;
  const std::unique_ptr<PromptSet> prompts_;
  const std::shared_ptr<ModelCaller> caller_;
  OutgoingQueue<v1::ComposeRequest, v1::ComposeEvent> outgoing_;
  bool started_ = false;
  Status unsent_ = OkStatus();  // why events of the text could not be sent
  ArticlePageContent article_;
  std::vector<Place> places_;  // in the order in which the model named them, the user's own first
  std::vector<v1::Illustration> illustrations_;
  ArticleClock clock_;
  bool cancelled_ = false;
};

}  // namespace triptych::router
