#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "router/compose/accepted_article.h"
#include "router/compose/article_clock.h"
#include "router/compose/model_caller.h"
#include "router/compose/stage_prompts.h"

namespace triptych::router {

// Where a picture should stand.
struct Place {
  int32_t paragraph = 0;
  bool own = false;  // for one of the user's pictures
  std::string caption;
};

// A picture that is offered for a place.
struct Candidate {
  StagePicture picture;
  std::optional<size_t> own;  // which of the user's pictures
  LibraryPicture words;       // what the library says of it; its file is in `picture`
};

// What a place got, and what it was chosen from.
struct ChosenPicture {
  std::vector<Candidate> candidates;
  size_t index = 0;

  const Candidate& winner() const { return candidates[index]; }
};

// Finds pictures for the places of one article, which come in the order of the text, and has the
// model choose. No picture is used twice. Used on the article's strand; all arguments outlive it.
class PictureChooser {
 public:
  PictureChooser(const ComposeContext* context,
                 const AcceptedArticle* request,
                 const PromptSet* prompts,
                 std::shared_ptr<ModelCaller> caller,
                 const std::vector<std::string>* paragraphs,
                 ArticleClock* clock)
      : context_(*context),
        request_(*request),
        prompts_(*prompts),
        caller_(std::move(caller)),
        paragraphs_(*paragraphs),
        clock_(*clock) {}

  // Nothing: no picture suits, or the library fails, or its files cannot be read. An error is one
  // of the model's calls.
  static Task<StatusOr<std::optional<ChosenPicture>>> ChooseFor(
      std::shared_ptr<PictureChooser> self, Place place);

 private:
  using Candidates = std::vector<Candidate>;
  static Task<Candidates> FindCandidates(std::shared_ptr<PictureChooser> self, Place place);
  static Task<StatusOr<size_t>> Choose(std::shared_ptr<PictureChooser> self,
                                       Place place,
                                       std::shared_ptr<Candidates> candidates);

  Candidates OwnCandidates() const;
  Candidates Read(std::vector<LibraryPicture> found) const;
  ModelCaller::Call ChoiceCall(const Place& place, Candidates& candidates) const;
  std::vector<std::string> PiecesBefore(const Place& place) const;

  const ComposeContext& context_;
  const AcceptedArticle& request_;
  const PromptSet& prompts_;
  const std::shared_ptr<ModelCaller> caller_;
  const std::vector<std::string>& paragraphs_;
  ArticleClock& clock_;
  std::vector<std::pair<int32_t, StagePicture>> placed_;  // after which paragraph, by rising place
  std::set<size_t> used_own_;
  std::set<std::string> used_library_;
};

}  // namespace triptych::router
